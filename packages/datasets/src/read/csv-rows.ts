import type { TrainyardError } from '@trainyard/protocol/plain';
import { type Column, repeatedName } from '../column.ts';
import { invalidData } from '../dataset-error.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import type { DatasetValue, Row } from '../dataset-value.ts';
import { type CsvFields, type CsvRecords, readCsvRecords } from './csv-records.ts';
import { type CsvType, inferCsvTypes, readCsvField } from './csv-types.ts';
import { decodeText } from './decode-text.ts';
import { readLineBlocks } from './read-blocks.ts';

export interface CsvOptions {
  /** By the first line, unless given: a comma, or what else separates its names. */
  readonly delimiter?: string | undefined;
  /** `text` leaves every field as it is written. */
  readonly types?: 'infer' | 'text' | undefined;
}

/** What is known of a CSV file before its rows are read. */
export interface CsvLayout {
  readonly delimiter: string;
  readonly columns: readonly (Column & { readonly type: CsvType })[];
}

/** Reads the first line, and as many records as it takes to tell types. */
export async function readCsvLayout(
  path: string,
  options: CsvOptions,
  signal?: AbortSignal,
): Promise<CsvLayout> {
  const delimiter = options.delimiter ?? (await findDelimiter(path, signal));
  const sample: CsvFields[] = [];
  let header: CsvFields | undefined;
  for await (const { records } of readCsvRecords(path, delimiter, signal)) {
    const start = header === undefined ? 1 : 0;
    header ??= records[0];
    for (let index = start; index < records.length; index += 1) sample.push(records[index]!);
    if (options.types === 'text' || sample.length >= DATASET_LIMITS.sampleRows) break;
  }
  if (header === undefined) return { delimiter, columns: [] };
  const names = columnNames(header, path);
  const types: CsvType[] =
    options.types === 'text'
      ? names.map(() => 'VARCHAR')
      : inferCsvTypes(names.length, sample.slice(0, DATASET_LIMITS.sampleRows));
  return { delimiter, columns: names.map((name, index) => ({ name, type: types[index]! })) };
}

export async function* readCsvRows(
  path: string,
  { delimiter, columns }: CsvLayout,
  signal?: AbortSignal,
): AsyncGenerator<Row[], void> {
  const toRow = rowMaker(path, columns);
  const records = readCsvRecords(path, delimiter, signal);
  for await (const batch of checkCsvFields(path, records, columns.length)) {
    yield batch.records.map((fields, index) => toRow(fields, batch.lines[index]!));
  }
}

/**
 * Leaves the header and blank lines out.
 * @throws TrainyardError DATASET_INVALID naming the line of a record with too few or too many fields
 */
export async function* checkCsvFields(
  path: string,
  batches: AsyncIterable<CsvRecords>,
  columns: number,
): AsyncGenerator<CsvRecords, void> {
  let isHeader = true;
  for await (const batch of batches) {
    const records: CsvFields[] = [];
    const lines: number[] = [];
    for (let index = isHeader ? 1 : 0; index < batch.records.length; index += 1) {
      const fields = batch.records[index]!;
      if (fields.length === 1 && fields[0] === null && columns > 1) continue;
      if (fields.length !== columns) throw ragged(path, batch.lines[index]!, fields, columns);
      records.push(fields);
      lines.push(batch.lines[index]!);
    }
    isHeader = false;
    if (records.length > 0) yield { records, lines };
  }
}

function rowMaker(path: string, columns: CsvLayout['columns']): (fields: CsvFields, line: number) => Row {
  const readField = (field: string | null, column: number, line: number): DatasetValue => {
    if (field === null) return null;
    const value = readCsvField(field, columns[column]!.type);
    if (value === undefined) throw otherType(path, line, columns[column]!, field);
    return value;
  };
  const names = columns.map(({ name }) => name);
  if (names.includes('__proto__')) {
    return (fields, line) =>
      Object.fromEntries(fields.map((field, index) => [names[index]!, readField(field, index, line)]));
  }
  return (fields, line) => {
    const row: Record<string, DatasetValue> = {};
    for (let index = 0; index < names.length; index += 1) {
      row[names[index]!] = readField(fields[index]!, index, line);
    }
    return row;
  };
}

function columnNames(header: CsvFields, path: string): string[] {
  if (header.length > DATASET_LIMITS.columns) {
    throw invalidData(
      path,
      `the first line names ${header.length} columns; the limit is ${DATASET_LIMITS.columns}`,
    );
  }
  const names = header.map((name, index) => name || `column${index}`);
  const twice = repeatedName(names);
  if (twice !== undefined) throw invalidData(path, `line 1: the column "${twice}" is there twice`);
  return names;
}

/** A comma, unless the first line has none outside of quotes, and another common one. */
async function findDelimiter(path: string, signal?: AbortSignal): Promise<string> {
  for await (const block of readLineBlocks(path, signal)) {
    const counts = new Map<string, number>();
    let inQuotes = false;
    for (const character of decodeText(block, path, 1)) {
      if (character === '"') inQuotes = !inQuotes;
      else if (inQuotes) continue;
      else if (character === '\n') break;
      else counts.set(character, (counts.get(character) ?? 0) + 1);
    }
    return [',', ';', '\t', '|'].find((delimiter) => counts.has(delimiter)) ?? ',';
  }
  return ',';
}

function ragged(path: string, line: number, fields: CsvFields, wanted: number): TrainyardError {
  const found = fields.length === 1 ? '1 field' : `${fields.length} fields`;
  return invalidData(path, `line ${line} has ${found}; the first line names ${wanted}`);
}

function otherType(path: string, line: number, { name, type }: Column, field: string): TrainyardError {
  const what = { BOOLEAN: 'true or false', BIGINT: 'a whole number', DOUBLE: 'a number' }[type] ?? type;
  const text = field.length > 100 ? `${field.slice(0, 100)}…` : field;
  return invalidData(
    path,
    `line ${line}: column "${name}" has ${what} in its first rows, but ${JSON.stringify(text)} here; read it with types: text`,
  );
}
