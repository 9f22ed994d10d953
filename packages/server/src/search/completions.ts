import { type Comparator, type FieldGroup, NUMBER_COMPARATORS, TEXT_COMPARATORS } from './filter.ts';
import { printField } from './print-filter.ts';
import { attributeKeys, DATASET_KEYS, isNumberField, type Searchable } from './searchable.ts';

/** A field that a filter may name, as one writes it, with what it can be compared by. */
export interface FieldCompletion {
  readonly text: string;
  readonly type: 'text' | 'number';
  readonly comparators: readonly (Comparator | 'IN' | 'NOT IN' | 'IS NULL' | 'IS NOT NULL')[];
}

/** Keys that the things searched have, beside those that all have. */
export type KnownKeys = Partial<Record<Exclude<FieldGroup, 'attribute' | 'dataset'>, readonly string[]>>;

/** All fields that a filter may name: attributes, then keys of datasets, metrics, params and tags. */
export function fieldCompletions(searchable: Searchable, known: KnownKeys): FieldCompletion[] {
  return searchable.groups.flatMap((group) => {
    const keys =
      group === 'attribute'
        ? attributeKeys(searchable, 'filter')
        : group === 'dataset'
          ? DATASET_KEYS
          : (known[group] ?? []);
    return keys.map((key) => {
      const type = isNumberField(searchable, { group, key }) ? ('number' as const) : ('text' as const);
      const lists = type === 'text' ? (['IN', 'NOT IN'] as const) : [];
      const plain = type === 'text' ? TEXT_COMPARATORS : NUMBER_COMPARATORS;
      return {
        text: printField({ group, key }),
        type,
        comparators: [...plain, ...lists, 'IS NULL', 'IS NOT NULL'] as const,
      };
    });
  });
}
