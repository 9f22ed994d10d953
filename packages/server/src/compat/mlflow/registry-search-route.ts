import type { FastifyInstance } from 'fastify';
import type { Kysely } from 'kysely';
import type { RegistrySearch } from '../../registry/search-registry.ts';
import { parseFilter } from '../../search/parse-filter.ts';
import { parseOrderBy } from '../../search/parse-order-by.ts';
import { inSearch } from '../../search/search-transaction.ts';
import type { Searchable } from '../../search/searchable.ts';
import type { Schema } from '../../store/schema.ts';
import { mlflowRoute } from './frame.ts';
import { integer, list, text } from './message.ts';
import { offsetOf, pageOf } from './page-token.ts';

/** A search of one kind of thing of the registry. */
export function registrySearchRoute<T>(
  app: FastifyInstance,
  db: Kysely<Schema>,
  searched: {
    readonly path: string;
    /** What the list is called in the answer. */
    readonly name: string;
    readonly searchable: Searchable;
    readonly maxResults: number;
    readonly defaultResults: number;
    readonly search: (
      db: Kysely<Schema>,
      search: RegistrySearch,
    ) => Promise<{ items: T[]; hasMore: boolean }>;
    readonly view: (item: T) => object;
  },
): void {
  const { searchable, search, view, name } = searched;
  mlflowRoute(app, {
    method: 'GET',
    path: searched.path,
    access: 'read',
    request: {
      filter: text(),
      max_results: integer({ min: 1, max: searched.maxResults }),
      order_by: list(text()),
      page_token: text(),
    },
    async answer({
      filter = '',
      max_results: limit = searched.defaultResults,
      order_by: orderBy,
      page_token: token,
    }) {
      const wanted = {
        filter: parseFilter(filter, searchable),
        orderBy: parseOrderBy(orderBy, searchable),
        limit,
        offset: offsetOf(token),
      };
      const { items, hasMore } = await inSearch(db, (trx) => search(trx, wanted));
      return pageOf(name, items.map(view), hasMore, wanted);
    },
  });
}
