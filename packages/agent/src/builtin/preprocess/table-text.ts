import type { JsonValue, PreprocessConfig } from '@trainyard/protocol';
import { BuiltinFailure, messageOf } from '../attempt.ts';

export type Row = Readonly<Record<string, JsonValue>>;
export type TableFormat = NonNullable<PreprocessConfig['format']>;

export interface Table {
  /** In the order of the file; of JSON rows in the order in which they first appear. */
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** Reads a table. @throws BuiltinFailure invalid_data naming the line or row */
export function readTable(text: string, format: TableFormat): Table {
  const plain = text.startsWith('\ufeff') ? text.slice(1) : text;
  if (format === 'csv') return readCsv(plain);
  const rows = format === 'json' ? jsonRows(plain) : jsonlRows(plain);
  return { columns: [...new Set(rows.flatMap((row) => Object.keys(row)))], rows };
}

/** The text of a table, one row at a time. */
export function* tableLines({ columns, rows }: Table, format: TableFormat): Generator<string> {
  if (format === 'csv') yield `${columns.map(csvField).join(',')}\n`;
  if (format === 'json') yield '[';
  for (const [index, row] of rows.entries()) {
    if (format === 'csv') yield `${columns.map((column) => csvField(row[column])).join(',')}\n`;
    else if (format === 'jsonl') yield `${JSON.stringify(row)}\n`;
    else yield `${index === 0 ? '\n' : ',\n'}${JSON.stringify(row)}`;
  }
  if (format === 'json') yield '\n]\n';
}

function jsonRows(text: string): Row[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`the file is not JSON: ${messageOf(error)}`);
  }
  if (!Array.isArray(parsed)) throw invalid('a JSON file holds a list of objects');
  return parsed.map((row, index) => asRow(row, `row ${index + 1}`));
}

function jsonlRows(text: string): Row[] {
  const rows: Row[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    let parsed: unknown;
    try {
      parsed = JSON.parse(line);
    } catch (error) {
      throw invalid(`line ${index + 1} is not JSON: ${messageOf(error)}`);
    }
    rows.push(asRow(parsed, `line ${index + 1}`));
  }
  return rows;
}

function asRow(value: unknown, where: string): Row {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Row;
  throw invalid(`${where} is not an object`);
}

/** RFC 4180, with line ends of either kind. The first line has the names. */
function readCsv(text: string): Table {
  const records = csvRecords(text);
  const columns = records.next().value?.fields ?? [];
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`the column "${twice}" is there twice`);
  const rows: Row[] = [];
  for (const { fields, line } of records) {
    if (fields.length === 1 && fields[0] === '' && columns.length > 1) continue;
    if (fields.length !== columns.length) {
      throw invalid(`line ${line} has ${fields.length} fields; the first line names ${columns.length}`);
    }
    rows.push(Object.fromEntries(columns.map((column, index) => [column, fields[index]!])));
  }
  return { columns, rows };
}

interface CsvRecord {
  readonly fields: string[];
  readonly line: number;
}

const FIELD = /"([^"]*(?:""[^"]*)*)"|([^",\r\n]*)/y;

function* csvRecords(text: string): Generator<CsvRecord, undefined> {
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const fields: string[] = [];
    const first = line;
    for (;;) {
      FIELD.lastIndex = at;
      const [whole, quoted, plain] = FIELD.exec(text)!;
      fields.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
      if (quoted !== undefined) line += quoted.split('\n').length - 1;
      at += whole.length;
      if (text[at] !== ',') break;
      at += 1;
    }
    if (text[at] === '\r') at += 1;
    if (text[at] === '\n') at += 1;
    else if (at < text.length)
      throw invalid(`line ${line}: a field with quotes is not closed, or goes on behind them`);
    line += 1;
    yield { fields, line: first };
  }
  return undefined;
}

function csvField(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function invalid(message: string): BuiltinFailure {
  return new BuiltinFailure('invalid_data', message);
}
