import { type RawBuilder, sql } from 'kysely';
import type { Value } from './compile-filter.ts';
import type { Field, OrderBy } from './filter.ts';
import { isNumberField, type Searchable } from './searchable.ts';

/** Where values are that things are ordered by. */
export interface OrderSource {
  readonly searchable: Searchable;
  readonly attribute: (key: string) => Value;
  /** Attributes that everything has: an index in their order can be used. */
  readonly alwaysThere: readonly string[];
  /** A left join that gives `alias.value`: at most one row for each thing. */
  readonly join: (field: Field, alias: string) => RawBuilder<unknown>;
}

export interface CompiledOrder {
  readonly joins: RawBuilder<unknown>;
  readonly terms: readonly RawBuilder<unknown>[];
}

/** What is not there comes last in both directions, and NaN before it. Texts are in the order of their characters. */
export function compileOrder(orders: readonly OrderBy[], source: OrderSource): CompiledOrder {
  const joins: RawBuilder<unknown>[] = [];
  const terms: RawBuilder<unknown>[] = [];
  for (const [index, { field, isDescending }] of orders.entries()) {
    const direction = isDescending ? sql` desc` : sql``;
    const isAttribute = field.group === 'attribute';
    const alias = `o${index}`;
    if (!isAttribute) joins.push(source.join(field, alias));
    const value = isAttribute ? source.attribute(field.key) : sql.ref(`${alias}.value`);
    if (field.group === 'metric') {
      terms.push(sql`case when ${value} is null then 2 when ${value} = 'NaN' then 1 else 0 end`);
    } else if (!isAttribute || !source.alwaysThere.includes(field.key)) {
      terms.push(sql`${value} is null`);
    }
    const isText = !isNumberField(source.searchable, field);
    terms.push(isText ? sql`${value} collate "C"${direction}` : sql`${value}${direction}`);
  }
  return { joins: joins.length === 0 ? sql`` : sql.join(joins, sql` `), terms };
}
