/** What a search asks for, read from a text. Each clause holds or does not; there is no third value. */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly clauses: readonly Filter[] }
  | { readonly kind: 'not'; readonly clause: Filter }
  | Clause;

export type Clause = Comparison | Membership | Absence;

/** False where the thing has no such field, whatever the comparator: `params.lr != '1'` finds runs with another lr. */
export interface Comparison {
  readonly kind: 'compare';
  readonly field: Field;
  readonly comparator: Comparator;
  readonly value: string | number;
}

/** `IN` and `NOT IN`; like a comparison, false where there is no such field. */
export interface Membership {
  readonly kind: 'in';
  readonly field: Field;
  readonly isNegated: boolean;
  readonly values: readonly string[];
}

/** `IS NULL`, and `IS NOT NULL` where negated. */
export interface Absence {
  readonly kind: 'null';
  readonly field: Field;
  readonly isNegated: boolean;
}

export interface Field {
  readonly group: FieldGroup;
  readonly key: string;
}

export interface OrderBy {
  readonly field: Field;
  readonly isDescending: boolean;
}

export type FieldGroup = 'attribute' | 'metric' | 'param' | 'tag' | 'dataset';
export type NumberComparator = (typeof NUMBER_COMPARATORS)[number];
export type TextComparator = (typeof TEXT_COMPARATORS)[number];
export type Comparator = NumberComparator | TextComparator;

export const NUMBER_COMPARATORS = ['=', '!=', '<', '<=', '>', '>='] as const;
/** `LIKE` knows `%` and `_` and nothing to escape them with; `=~` takes what `linearRegex` takes. */
export const TEXT_COMPARATORS = ['=', '!=', 'LIKE', 'NOT LIKE', 'ILIKE', 'NOT ILIKE', '=~', '!~'] as const;

/** Longest text of a filter, in characters: a list of a thousand run ids has room. */
export const MAX_FILTER_LENGTH = 65_536;
/** Most comparisons in one filter. */
export const MAX_CLAUSES = 200;
/** Most parentheses and NOTs around one comparison. */
export const MAX_DEPTH = 32;
/** Most values of one `IN` list. */
export const MAX_LIST_VALUES = 1000;
/** Longest regular expression, in characters. */
export const MAX_PATTERN_LENGTH = 500;
/** Longest key of a metric, param or tag. */
export const MAX_KEY_LENGTH = 500;
/** Most fields that a search is ordered by. */
export const MAX_ORDER_FIELDS = 16;
