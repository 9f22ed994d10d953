import { linearRegex } from '@trainyard/protocol';
import type { Comparator, Field, Filter } from '../filter.ts';

/** What things are like, for `evaluateFilter`: all values of a field, of which most have at most one. */
export type ValuesOf = (field: Field) => readonly (string | number)[];

/** What a filter means, written as plainly as can be: the SQL has to find the same. */
export function evaluateFilter(filter: Filter, valuesOf: ValuesOf): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.clauses.every((clause) => evaluateFilter(clause, valuesOf));
    case 'or':
      return filter.clauses.some((clause) => evaluateFilter(clause, valuesOf));
    case 'not':
      return !evaluateFilter(filter.clause, valuesOf);
    case 'null':
      return valuesOf(filter.field).length > 0 === filter.isNegated;
    case 'in':
      return valuesOf(filter.field).some(
        (value) => filter.values.includes(value as string) !== filter.isNegated,
      );
    case 'compare':
      return valuesOf(filter.field).some((value) => holds(value, filter.comparator, filter.value));
  }
}

function holds(stored: string | number, comparator: Comparator, value: string | number): boolean {
  switch (comparator) {
    case '=':
      return stored === value;
    case '!=':
      return stored !== value;
    case '<':
      return stored < value;
    case '<=':
      return stored <= value;
    case '>':
      return stored > value;
    case '>=':
      return stored >= value;
    case '=~':
      return linearRegex(value as string).test(stored as string);
    case '!~':
      return !linearRegex(value as string).test(stored as string);
    case 'LIKE':
      return isLike(stored as string, value as string);
    case 'NOT LIKE':
      return !isLike(stored as string, value as string);
    case 'ILIKE':
      return isLike((stored as string).toLowerCase(), (value as string).toLowerCase());
    case 'NOT ILIKE':
      return !isLike((stored as string).toLowerCase(), (value as string).toLowerCase());
  }
}

function isLike(text: string, pattern: string): boolean {
  if (pattern === '') return text === '';
  if (pattern[0] === '%') {
    return Array.from({ length: text.length + 1 }, (_, at) => text.slice(at)).some((rest) =>
      isLike(rest, pattern.slice(1)),
    );
  }
  if (text === '') return false;
  return (pattern[0] === '_' || pattern[0] === text[0]) && isLike(text.slice(1), pattern.slice(1));
}
