import type { DatasetColumn, DatasetProfileAnswer } from '@trainyard/protocol';
import { table } from './table.ts';

const MAX_CELL = 60;

/** Rows for people; long values are cut. */
export function rowsTable(
  columns: readonly DatasetColumn[],
  rows: readonly Readonly<Record<string, unknown>>[],
): string {
  const names = columns.map(({ name }) => name);
  return table(
    names,
    rows.map((row) => names.map((name) => cell(row[name]))),
  );
}

export function profileText({ rows, columns }: Omit<DatasetProfileAnswer, 'from'>): string {
  const lines = columns.map((column) => [
    column.name,
    column.type,
    String(column.nulls),
    String(column.distinct),
    column.min === undefined ? '' : cell(column.min),
    column.max === undefined ? '' : cell(column.max),
    notes(column),
  ]);
  const head = ['column', 'type', 'nulls', 'distinct', 'min', 'max', ''];
  return `${rows} rows, ${columns.length} columns\n\n${table(head, lines)}`;
}

function notes(column: DatasetProfileAnswer['columns'][number]): string {
  const parts: string[] = [];
  if (typeof column.mean === 'number') parts.push(`mean ${short(column.mean)}`);
  if (column.quantiles) parts.push(`median ${short(column.quantiles.p50)}`);
  if (column.notFinite !== undefined && column.notFinite > 0) parts.push(`${column.notFinite} not finite`);
  if (column.trues !== undefined) parts.push(`${column.trues} true`);
  const { length, empty } = column;
  if (length !== undefined && length.min !== null) {
    parts.push(`length ${length.min}–${length.max}, mean ${short(length.mean ?? 0)}`);
  }
  if (empty !== undefined && empty > 0) parts.push(`${empty} empty`);
  return parts.join('; ');
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)));
}

/** Control characters would move the cursor. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return '·';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  return plain.length > MAX_CELL ? `${plain.slice(0, MAX_CELL - 1)}…` : plain;
}
