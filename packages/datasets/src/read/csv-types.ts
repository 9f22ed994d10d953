import type { CsvFields } from './csv-records.ts';

/** What the fields of a CSV column are read as. */
export type CsvType = 'BOOLEAN' | 'BIGINT' | 'DOUBLE' | 'VARCHAR';

/** No leading zeros: 007 is a name, not a number. */
const WHOLE = /^(?:0|-?[1-9]\d{0,18})$/;
const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?$/;
const NOT_FINITE = /^(?:nan|[-+]?inf(?:inity)?)$/i;
const TRUTH = /^(?:true|false)$/i;
const LEADING_ZERO = /^[-+]?0\d/;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** The narrowest type that all fields of a column have; VARCHAR for one without any. */
export function inferCsvTypes(columns: number, records: readonly CsvFields[]): CsvType[] {
  return Array.from({ length: columns }, (_, column) => {
    let isEmpty = true;
    let candidates: readonly CsvType[] = ['BOOLEAN', 'BIGINT', 'DOUBLE'];
    for (const record of records) {
      const field = record[column];
      if (field === null || field === undefined) continue;
      isEmpty = false;
      candidates = candidates.filter((type) => fits(field, type));
      if (candidates.length === 0) return 'VARCHAR';
    }
    return isEmpty ? 'VARCHAR' : candidates[0]!;
  });
}

/** The value of a field, undefined when it has another type. */
export function readCsvField(field: string, type: CsvType): boolean | number | bigint | string | undefined {
  if (type === 'VARCHAR') return field;
  if (!fits(field, type)) return undefined;
  if (type === 'BOOLEAN') return field.length === 4;
  const number = Number(field);
  if (type === 'BIGINT') return Number.isSafeInteger(number) ? number : BigInt(field);
  return Number.isNaN(number) ? notFinite(field) : number;
}

function fits(field: string, type: CsvType): boolean {
  switch (type) {
    case 'BOOLEAN':
      return TRUTH.test(field);
    case 'BIGINT':
      return WHOLE.test(field) && (field.length < 19 || isInt64(BigInt(field)));
    case 'DOUBLE':
      // A whole number that no column of whole numbers holds stays text, with all its digits.
      return (
        NOT_FINITE.test(field) ||
        (NUMBER.test(field) && !LEADING_ZERO.test(field) && !/^[-+]?\d{17,}$/.test(field))
      );
    default:
      return true;
  }
}

function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

function notFinite(field: string): number {
  if (/^nan$/i.test(field)) return Number.NaN;
  return field.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
