import { MAX_FILTER_LENGTH, MAX_ORDER_FIELDS, type OrderBy } from './filter.ts';
import { invalidFilter } from './invalid-filter.ts';
import { resolveField } from './resolve-field.ts';
import type { Searchable } from './searchable.ts';
import { type Token, tokenize } from './tokenize.ts';

/**
 * Reads what a search is ordered by: `field [ASC|DESC]` each. What is not there, and before it NaN, comes last in
 * both directions; what ties the search breaks by itself.
 * @throws TrainyardError INVALID_FILTER also for a field that is named twice
 */
export function parseOrderBy(sources: readonly string[], searchable: Searchable): OrderBy[] {
  if (sources.length > MAX_ORDER_FIELDS) {
    throw invalidFilter(
      WHAT,
      0,
      `${sources.length} fields to order by are too many`,
      `at most ${MAX_ORDER_FIELDS}`,
    );
  }
  const orders = sources.map((source) => parseOne(source, searchable));
  const seen = new Set<string>();
  for (const [index, { field }] of orders.entries()) {
    const name = `${field.group}.${field.key}`;
    if (seen.has(name)) {
      const what = `order_by[${index}]`;
      throw invalidFilter(what, 0, `\`order_by\` contains duplicate fields: ${name}`, 'each field once');
    }
    seen.add(name);
  }
  return orders;
}

const WHAT = 'order_by';

function parseOne(source: string, searchable: Searchable): OrderBy {
  const what = `the order_by clause '${source.length > 80 ? `${source.slice(0, 80)}…` : source}'`;
  if (source.length > MAX_FILTER_LENGTH)
    throw invalidFilter(what, 0, 'Invalid order_by clause', 'a shorter text');
  if (source.includes('\0'))
    throw invalidFilter(what, source.indexOf('\0'), 'Invalid order_by clause', 'no U+0000');
  const tokens = tokenize(source, what);
  const [first, second, third] = tokens as [Token, Token?, Token?];
  if (first.kind !== 'name' && first.kind !== 'quoted') {
    throw invalidFilter(what, first.at, 'Invalid order_by clause', 'a field');
  }
  const field = resolveField(first, { searchable, use: 'order', what });
  const direction = second?.text.toUpperCase();
  if (second?.kind === 'end') return { field, isDescending: false };
  if (second?.kind !== 'name' || (direction !== 'ASC' && direction !== 'DESC')) {
    throw invalidFilter(what, second!.at, 'Invalid order_by clause', 'ASC, DESC or the end');
  }
  if (third?.kind !== 'end') throw invalidFilter(what, third!.at, 'Invalid order_by clause', 'the end');
  return { field, isDescending: direction === 'DESC' };
}
