import { type ExperimentInfo, experimentInfo, page, searchExperimentsQuery } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { parseFilter } from '../search/parse-filter.ts';
import { parseOrderBy } from '../search/parse-order-by.ts';
import { inSearch } from '../search/search-transaction.ts';
import { SEARCHABLE } from '../search/searchable.ts';
import type { ServerContext } from '../server-context.ts';
import { type Experiment, getExperiment, setExperimentDeleted } from '../tracking/experiments.ts';
import { searchExperiments } from '../tracking/search-experiments.ts';

const idParams = z.object({ id: z.coerce.number().int().min(0) });

/** Experiments: searched, shown, deleted with their runs, and restored. */
export function experimentApiRoutes({ database: { kysely: db } }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/experiments',
      {
        config: { access: 'read' },
        schema: {
          tags: ['experiments'],
          querystring: searchExperimentsQuery,
          response: { 200: page(experimentInfo) },
        },
      },
      async ({ query: { filter, orderBy, view, cursor, limit } }) => {
        const offset = Number(cursor ?? 0);
        const search = {
          filter: parseFilter(filter, SEARCHABLE.experiments),
          orderBy: parseOrderBy([orderBy].flat(), SEARCHABLE.experiments),
          ...{ view, limit, offset },
        };
        const { experiments, hasMore } = await inSearch(db, (trx) => searchExperiments(trx, search));
        return { items: experiments.map(toInfo), nextCursor: hasMore ? String(offset + limit) : null };
      },
    );

    app.get(
      '/experiments/:id',
      {
        config: { access: 'read' },
        schema: { tags: ['experiments'], params: idParams, response: { 200: experimentInfo } },
      },
      async ({ params }) => toInfo(await getExperiment(db, params.id)),
    );

    app.delete(
      '/experiments/:id',
      {
        config: { access: 'write' },
        schema: { tags: ['experiments'], params: idParams, response: { 200: experimentInfo } },
      },
      async ({ params }) => {
        await setExperimentDeleted(db, params.id, true);
        return toInfo(await getExperiment(db, params.id));
      },
    );

    app.post(
      '/experiments/:id/restore',
      {
        config: { access: 'write' },
        schema: { tags: ['experiments'], params: idParams, response: { 200: experimentInfo } },
      },
      async ({ params }) => {
        await setExperimentDeleted(db, params.id, false);
        return toInfo(await getExperiment(db, params.id));
      },
    );
  };
}

function toInfo({ tags, createdAt, updatedAt, deletedAt, ...rest }: Experiment): ExperimentInfo {
  return {
    ...rest,
    tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    deletedAt: deletedAt?.toISOString() ?? null,
  };
}
