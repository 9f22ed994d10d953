import type { FastifyInstance } from 'fastify';
import { parseFilter } from '../../search/parse-filter.ts';
import { parseOrderBy } from '../../search/parse-order-by.ts';
import { inSearch } from '../../search/search-transaction.ts';
import { SEARCHABLE } from '../../search/searchable.ts';
import type { ServerContext } from '../../server-context.ts';
import { searchExperiments } from '../../tracking/search-experiments.ts';
import type { View } from '../../tracking/search-runs.ts';
import { experimentView } from './experiment-view.ts';
import { mlflowRoute } from './frame.ts';
import { choice, integer, list, required, text } from './message.ts';
import { offsetOf, pageToken } from './page-token.ts';

/** Most rows of one page. */
const MAX_RESULTS = 50_000;

/** Searches of experiments. */
export function mlflowSearchRoutes(app: FastifyInstance, { database: { kysely: db } }: ServerContext): void {
  mlflowRoute(app, {
    method: ['GET', 'POST'],
    path: '/experiments/search',
    access: 'read',
    request: {
      max_results: required(integer({ min: 1, max: MAX_RESULTS })),
      page_token: text(),
      filter: text(),
      order_by: list(text()),
      view_type: choice(VIEW_TYPES),
    },
    async answer({ max_results: limit, page_token: token, filter = '', order_by: orderBy, view_type: view }) {
      const { experiments } = SEARCHABLE;
      const offset = offsetOf(token);
      const search = {
        filter: parseFilter(filter, experiments),
        orderBy: parseOrderBy(orderBy, experiments),
        view: VIEWS[view ?? 'ACTIVE_ONLY'],
        limit,
        offset,
      };
      const found = await inSearch(db, (trx) => searchExperiments(trx, search));
      return {
        ...(found.experiments.length === 0 ? {} : { experiments: found.experiments.map(experimentView) }),
        ...(found.hasMore ? { next_page_token: pageToken(offset + limit) } : {}),
      };
    },
  });
}

const VIEW_TYPES = ['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL'] as const;
const VIEWS: Readonly<Record<(typeof VIEW_TYPES)[number], View>> = {
  ACTIVE_ONLY: 'active',
  DELETED_ONLY: 'deleted',
  ALL: 'all',
};
