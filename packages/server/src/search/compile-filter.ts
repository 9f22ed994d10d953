import { type RawBuilder, sql } from 'kysely';
import type { Comparator, Field, Filter, NumberComparator } from './filter.ts';
import { postgresRegex } from './postgres-regex.ts';

export type Condition = RawBuilder<boolean>;
export type Value = RawBuilder<unknown>;

/** Where the fields of one kind of thing are stored. */
export interface FieldSource {
  /** The value of an attribute: text or a whole number; null where the thing has none. */
  attribute(key: string): Value;
  /** That a row of this field exists whose value passes the test. */
  exists(field: Field, test: (value: Value) => Condition): Condition;
}

/** The filter as a condition of SQL that is true or false, never null; true where nothing is asked for. */
export function compileFilter(filter: Filter | undefined, source: FieldSource): Condition {
  if (filter === undefined) return sql`true`;
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const clauses = filter.clauses.map((clause) => compileFilter(clause, source));
      return sql`(${sql.join(clauses, filter.kind === 'and' ? sql` and ` : sql` or `)})`;
    }
    case 'not':
      return sql`not (${compileFilter(filter.clause, source)})`;
    case 'null':
      return filter.isNegated ? isThere(filter.field, source) : sql`not (${isThere(filter.field, source)})`;
    case 'in': {
      const isIn = (value: Value): Condition =>
        filter.isNegated
          ? sql`${value} <> all(${filter.values}::text[])`
          : sql`${value} = any(${filter.values}::text[])`;
      return passes(filter.field, source, isIn);
    }
    case 'compare': {
      const { field, comparator, value } = filter;
      if (typeof value === 'string')
        return passes(field, source, (stored) => compareText(stored, comparator, value));
      const compare = field.group === 'metric' ? compareDouble : compareWhole;
      return passes(field, source, (stored) => compare(stored, comparator as NumberComparator, value));
    }
  }
}

function isThere(field: Field, source: FieldSource): Condition {
  if (field.group === 'attribute') return sql`${source.attribute(field.key)} is not null`;
  return source.exists(field, () => sql`true`);
}

function passes(field: Field, source: FieldSource, test: (value: Value) => Condition): Condition {
  if (field.group !== 'attribute') return source.exists(field, test);
  return sql`coalesce(${test(source.attribute(field.key))}, false)`;
}

function compareText(stored: Value, comparator: Comparator, value: string): Condition {
  switch (comparator) {
    case '=':
      return sql`${stored} = ${value}`;
    case '!=':
      return sql`${stored} <> ${value}`;
    case 'LIKE':
      return sql`${stored} like ${value} escape ''`;
    case 'NOT LIKE':
      return sql`${stored} not like ${value} escape ''`;
    case 'ILIKE':
      return sql`${stored} ilike ${value} escape ''`;
    case 'NOT ILIKE':
      return sql`${stored} not ilike ${value} escape ''`;
    default: {
      const { pattern, ignoresCase } = postgresRegex(value);
      const line = ignoresCase ? sql`lower(${stored})` : stored;
      return comparator === '=~' ? sql`${line} ~ ${pattern}` : sql`${line} !~ ${pattern}`;
    }
  }
}

/** NaN is unequal to every number and in no order to any; for PostgreSQL it is above them all. */
function compareDouble(stored: Value, comparator: NumberComparator, value: number): Condition {
  const compared = sql<boolean>`${stored} ${sql.raw(SIGNS[comparator])} ${value}::float8`;
  return comparator === '>' || comparator === '>=' ? sql`(${compared} and ${stored} <> 'NaN')` : compared;
}

/** Bound as a whole number where it is one, so that an index on the column can be used. */
function compareWhole(stored: Value, comparator: NumberComparator, value: number): Condition {
  const bound = Number.isSafeInteger(value) ? sql`${value}::bigint` : sql`${value}::float8`;
  return sql`${stored} ${sql.raw(SIGNS[comparator])} ${bound}`;
}

const SIGNS: Readonly<Record<NumberComparator, string>> = {
  '=': '=',
  '!=': '<>',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};

/** Whether a filter asks for what may take long for each row. */
export function hasPattern(filter: Filter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return filter.clauses.some(hasPattern);
  if (filter.kind === 'not') return hasPattern(filter.clause);
  return filter.kind === 'compare' && filter.comparator.endsWith('~') && typeof filter.value === 'string';
}
