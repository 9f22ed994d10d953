import type { Field, Filter, OrderBy } from './filter.ts';

/** The filter as text; reading it again gives the same filter. */
export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'and':
      return filter.clauses
        .map((clause) => (isChain(clause) ? `(${printFilter(clause)})` : printFilter(clause)))
        .join(' AND ');
    case 'or':
      return filter.clauses
        .map((clause) => (clause.kind === 'or' ? `(${printFilter(clause)})` : printFilter(clause)))
        .join(' OR ');
    case 'not':
      return `NOT ${isChain(filter.clause) ? `(${printFilter(filter.clause)})` : printFilter(filter.clause)}`;
    case 'null':
      return `${printField(filter.field)} IS ${filter.isNegated ? 'NOT ' : ''}NULL`;
    case 'in':
      return `${printField(filter.field)} ${filter.isNegated ? 'NOT ' : ''}IN (${filter.values.map(printText).join(', ')})`;
    case 'compare':
      return `${printField(filter.field)} ${filter.comparator} ${
        typeof filter.value === 'number' ? printNumber(filter.value) : printText(filter.value)
      }`;
  }
}

export function printOrderBy({ field, isDescending }: OrderBy): string {
  return `${printField(field)} ${isDescending ? 'DESC' : 'ASC'}`;
}

/** The field as filters name it: `metrics.loss`, `params."learning rate"`, `start_time`. */
export function printField({ group, key }: Field): string {
  const isPlain = /^[A-Za-z_][A-Za-z0-9_.]*$/.test(key);
  const name = isPlain ? key : `"${key.replaceAll('"', '""')}"`;
  return group === 'attribute' ? name : `${group}s.${name}`;
}

function isChain(filter: Filter): boolean {
  return filter.kind === 'and' || filter.kind === 'or';
}

function printText(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** Numbers too large for a double are read as infinite, and there is no other way to write those. */
function printNumber(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value);
  return value > 0 ? '1e999' : '-1e999';
}
