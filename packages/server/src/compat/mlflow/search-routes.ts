import type { FastifyInstance } from 'fastify';
import { parseFilter } from '../../search/parse-filter.ts';
import { parseOrderBy } from '../../search/parse-order-by.ts';
import { inSearch } from '../../search/search-transaction.ts';
import { SEARCHABLE } from '../../search/searchable.ts';
import type { ServerContext } from '../../server-context.ts';
import { readRunData, readTrackedRuns } from '../../tracking/read-runs.ts';
import { readUses } from '../../tracking/run-inputs.ts';
import { searchExperiments } from '../../tracking/search-experiments.ts';
import { searchRunIds, type View } from '../../tracking/search-runs.ts';
import { experimentId } from './experiment-routes.ts';
import { experimentView } from './experiment-view.ts';
import { mlflowRoute } from './frame.ts';
import { choice, integer, list, required, text } from './message.ts';
import { offsetOf, pageOf } from './page-token.ts';
import { runView } from './run-view.ts';
import { inputsView, outputsView } from './uses-view.ts';

/** Most rows of one page. */
const MAX_RESULTS = 50_000;

/** Searches of experiments and runs. */
export function mlflowSearchRoutes(app: FastifyInstance, { database }: ServerContext): void {
  const { kysely: db, pool } = database;
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
      const search = {
        filter: parseFilter(filter, experiments),
        orderBy: parseOrderBy(orderBy, experiments),
        view: VIEWS[view ?? 'ACTIVE_ONLY'],
        limit,
        offset: offsetOf(token),
      };
      const found = await inSearch(db, (trx) => searchExperiments(trx, search));
      return pageOf('experiments', found.experiments.map(experimentView), found.hasMore, search);
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/search',
    access: 'read',
    request: {
      experiment_ids: list(text()),
      filter: text(),
      run_view_type: choice(VIEW_TYPES),
      max_results: integer({ min: 1, max: MAX_RESULTS }),
      order_by: list(text()),
      page_token: text(),
    },
    async answer({ experiment_ids: experiments, filter = '', run_view_type: view, ...page }) {
      const { max_results: limit = DEFAULT_RUNS, order_by: orderBy, page_token: token } = page;
      const search = {
        experimentIds: experiments.map((id, index) => experimentId(id, `experiment_ids[${index}]`)),
        filter: parseFilter(filter, SEARCHABLE.runs),
        orderBy: parseOrderBy(orderBy, SEARCHABLE.runs),
        view: VIEWS[view ?? 'ACTIVE_ONLY'],
        limit,
        offset: offsetOf(token),
      };
      const { ids, hasMore } = await inSearch(db, (trx) => searchRunIds(trx, search));
      const [data, usesOf] = await Promise.all([
        readTrackedRuns(pool, ids).then((runs) => readRunData(pool, runs)),
        readUses(pool, ids),
      ]);
      const runs = data.map((each) => {
        const uses = usesOf(each.run.id);
        return runView(each, inputsView(uses), outputsView(uses));
      });
      return pageOf('runs', runs, hasMore, search);
    },
  });
}

const DEFAULT_RUNS = 1000;

const VIEW_TYPES = ['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL'] as const;
const VIEWS: Readonly<Record<(typeof VIEW_TYPES)[number], View>> = {
  ACTIVE_ONLY: 'active',
  DELETED_ONLY: 'deleted',
  ALL: 'all',
};
