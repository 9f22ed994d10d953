import fc from 'fast-check';
import { type Clause, type Field, type Filter, NUMBER_COMPARATORS, TEXT_COMPARATORS } from '../filter.ts';
import { attributeKeys, DATASET_KEYS, isNumberField, type Searchable } from '../searchable.ts';

/** Random filters of one kind of thing, for tests: what a filter says is drawn from what things are like. */
export function randomFilter(
  searchable: Searchable,
  drawn: {
    readonly keys: fc.Arbitrary<string>;
    readonly texts: fc.Arbitrary<string>;
    readonly numbers: fc.Arbitrary<number>;
    readonly patterns: fc.Arbitrary<string>;
  },
): fc.Arbitrary<Filter> {
  const field = fc.constantFrom(...searchable.groups).chain((group): fc.Arbitrary<Field> => {
    if (group === 'attribute') {
      return fc.constantFrom(...attributeKeys(searchable, 'filter')).map((key) => ({ group, key }));
    }
    if (group === 'dataset') return fc.constantFrom(...DATASET_KEYS).map((key) => ({ group, key }));
    return drawn.keys.map((key) => ({ group, key }));
  });
  const clause = field.chain((one): fc.Arbitrary<Clause> => {
    const absence = fc.boolean().map((isNegated) => ({ kind: 'null' as const, field: one, isNegated }));
    if (isNumberField(searchable, one)) {
      const number = fc.tuple(fc.constantFrom(...NUMBER_COMPARATORS), drawn.numbers);
      return fc.oneof(
        {
          weight: 5,
          arbitrary: number.map(([comparator, value]) => ({
            kind: 'compare' as const,
            field: one,
            comparator,
            value,
          })),
        },
        absence,
      );
    }
    const compare = fc.constantFrom(...TEXT_COMPARATORS).chain((comparator) => {
      const values = comparator.endsWith('~') ? drawn.patterns : drawn.texts;
      return values.map((value) => ({ kind: 'compare' as const, field: one, comparator, value }));
    });
    const list = fc.tuple(fc.boolean(), fc.array(drawn.texts, { minLength: 1, maxLength: 4 }));
    return fc.oneof(
      { weight: 5, arbitrary: compare },
      {
        weight: 2,
        arbitrary: list.map(([isNegated, values]) => ({
          kind: 'in' as const,
          field: one,
          isNegated,
          values,
        })),
      },
      absence,
    );
  });
  return fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      clause,
      fc.record({
        kind: fc.constantFrom('and' as const, 'or' as const),
        clauses: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }),
      }),
      fc.record({ kind: fc.constant('not' as const), clause: tie('filter') }),
    ),
  })).filter;
}
