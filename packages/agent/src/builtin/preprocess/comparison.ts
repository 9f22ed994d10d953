import type { DatasetValue, Row } from '@trainyard/datasets';
import { BuiltinFailure } from '../attempt.ts';
import { jsonText } from './table-text.ts';

const SHAPE = /^\s*(?:"([^"]+)"|([^\s"<>=!]+))\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*$/s;

/** Reads a comparison such as `score >= 0.5`, `"two words" != null` or `lang == "de"`. */
export function readComparison(text: string): (row: Row) => boolean {
  const [, quoted, plain, operator, literal] = SHAPE.exec(text) ?? [];
  const column = quoted ?? plain;
  if (column === undefined || operator === undefined || literal === undefined) {
    throw new BuiltinFailure(
      'invalid_config',
      `"${text}" is not a comparison; write for example score >= 0.5 or lang == "de"`,
    );
  }
  const wanted = readLiteral(literal, text);
  return (row) => compare(row[column] ?? null, operator, wanted);
}

/** The number that a value is, also as the text of a CSV file. */
export function asNumber(value: DatasetValue | undefined): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

/** In a CSV file an empty field is no value. */
export function isNull(value: DatasetValue | undefined): boolean {
  return value === undefined || value === null || value === '';
}

function readLiteral(literal: string, text: string): DatasetValue {
  const single = /^'([^']*)'$/.exec(literal)?.[1];
  if (single !== undefined) return single;
  try {
    const value = JSON.parse(literal) as DatasetValue;
    if (typeof value !== 'object' || value === null) return value;
  } catch {
    // Told below.
  }
  const message = `in "${text}": ${literal} is not a value; write a number, true, false, null or a text in quotes`;
  throw new BuiltinFailure('invalid_config', message);
}

/** Nothing is less or greater than no value; a number is compared with a number, everything else as text. */
function compare(value: DatasetValue, operator: string, wanted: DatasetValue): boolean {
  const order = orderOf(value, wanted);
  switch (operator) {
    case '==':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order !== undefined && order < 0;
    case '<=':
      return order !== undefined && order <= 0;
    case '>':
      return order !== undefined && order > 0;
    default:
      return order !== undefined && order >= 0;
  }
}

function orderOf(value: DatasetValue, wanted: DatasetValue): number | undefined {
  if (isNull(value) || wanted === null) return isNull(value) && wanted === null ? 0 : undefined;
  if (typeof wanted === 'number') {
    const number = asNumber(value);
    return number === undefined ? undefined : Math.sign(number - wanted);
  }
  const text = typeof value === 'string' ? value : jsonText(value);
  const other = String(wanted);
  return text < other ? -1 : text > other ? 1 : 0;
}
