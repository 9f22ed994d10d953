import { type Dataset, type DatasetValue, openDataset, type Row } from '@trainyard/datasets';
import type { PreprocessConfig } from '@trainyard/protocol';
import { TrainyardError } from '@trainyard/protocol/plain';
import { BuiltinFailure } from '../attempt.ts';

export type TableFormat = NonNullable<PreprocessConfig['format']>;

export interface Table {
  /** In the order of the file; of JSON rows in the order in which they first appear. */
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/**
 * Reads a table with the readers of all datasets. Fields of CSV stay text; an empty one is the empty text.
 * @throws BuiltinFailure invalid_data naming the line or row
 */
export async function readTable(dataset: Dataset): Promise<Table> {
  const rows: Row[] = [];
  const names = new Set<string>();
  try {
    const isCsv = dataset.format === 'csv';
    if (isCsv) for (const { name } of (await dataset.schema()).columns) names.add(name);
    for await (const batch of dataset.batches()) {
      for (const row of batch) {
        rows.push(isCsv ? withEmptyTexts(row) : row);
        if (!isCsv) for (const name of Object.keys(row)) names.add(name);
      }
    }
  } catch (error) {
    throw error instanceof TrainyardError
      ? new BuiltinFailure('invalid_data', error.message, { cause: error })
      : error;
  }
  return { columns: [...names], rows };
}

/** As a table is read: no guesses at what a text may mean. */
export function openTable(path: string, format: TableFormat): Promise<Dataset> {
  return openDataset(path, { format, csv: { types: 'text', delimiter: ',' }, json: { shape: 'list' } });
}

/** The text of a table, one row at a time. */
export function* tableLines({ columns, rows }: Table, format: TableFormat): Generator<string> {
  if (format === 'csv') yield `${columns.map(csvField).join(',')}\n`;
  if (format === 'json') yield '[';
  for (const [index, row] of rows.entries()) {
    if (format === 'csv') yield `${columns.map((column) => csvField(row[column])).join(',')}\n`;
    else if (format === 'jsonl') yield `${jsonText(row)}\n`;
    else yield `${index === 0 ? '\n' : ',\n'}${jsonText(row)}`;
  }
  if (format === 'json') yield '\n]\n';
}

function csvField(value: DatasetValue | undefined): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : jsonText(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** JSON, with whole numbers of any length as they are. */
export function jsonText(value: DatasetValue | readonly DatasetValue[]): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? rawJson(String(part)) : part,
  );
}

/** In Node since 22; not yet in the types of the standard library that we use. */
function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
}

function withEmptyTexts(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? '']));
}
