import {
  compareTrackedRuns,
  importanceQuery,
  paramImportance,
  runComparison,
  runTable,
  type SearchTrackedRuns,
  searchFields,
  searchTrackedRuns,
  TRACKING_API_LIMITS,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { sql } from 'kysely';
import { z } from 'zod';
import { fieldCompletions } from '../search/completions.ts';
import type { Field } from '../search/filter.ts';
import { parseFilter } from '../search/parse-filter.ts';
import { parseOrderBy } from '../search/parse-order-by.ts';
import { inSearch } from '../search/search-transaction.ts';
import { SEARCHABLE } from '../search/searchable.ts';
import type { ServerContext } from '../server-context.ts';
import { compareRuns } from '../tracking/compare-runs.ts';
import { paramImportances } from '../tracking/param-importance.ts';
import { readCompared } from '../tracking/read-compared.ts';
import { readMeasured } from '../tracking/read-measured.ts';
import { readRunTable } from '../tracking/run-table.ts';
import { searchRunIds } from '../tracking/search-runs.ts';

const DEFAULT_ROWS = 100;
const DEFAULT_COLUMNS = ['run_name', 'state', 'start_time', 'end_time'];
const tags = ['tracking'];
const given = z.union([z.string().transform((one) => [one]), z.array(z.string())]).optional();
const idNumber = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);
const ids = z.union([idNumber.transform((one) => [one]), z.array(idNumber).max(1000)]).optional();
/** The same as the body, from a query string: lists are given by repeating the name. */
const searchQuery = searchTrackedRuns.extend({
  experimentIds: ids,
  orderBy: given,
  columns: given,
  limit: z.coerce.number().int().min(1).max(TRACKING_API_LIMITS.maxRows).optional(),
});

/** Searches, comparisons and analysis of tracked runs. */
export function trackingRoutes({ database: { kysely: db, pool } }: ServerContext): FastifyPluginAsyncZod {
  const search = async (wanted: z.output<typeof searchTrackedRuns>) => {
    const offset = Number(wanted.cursor ?? 0);
    const limit = wanted.limit ?? DEFAULT_ROWS;
    const request = {
      experimentIds: wanted.experimentIds ?? null,
      filter: parseFilter(wanted.filter ?? '', SEARCHABLE.runs),
      orderBy: parseOrderBy(wanted.orderBy ?? [], SEARCHABLE.runs),
      view: wanted.view ?? 'active',
      limit,
      offset,
    } as const;
    const fields = columnsOf(wanted.columns ?? DEFAULT_COLUMNS);
    return inSearch(db, async (trx) => {
      const found = await searchRunIds(trx, request);
      return {
        rows: found.ids.length,
        columns: [...(await readRunTable(trx, found.ids, fields))].map((column) => ({
          ...column,
          values: [...column.values],
        })),
        nextCursor: found.hasMore ? String(offset + limit) : null,
      };
    });
  };
  return async (app) => {
    app.post(
      '/tracking/runs/search',
      { config: { access: 'read' }, schema: { tags, body: searchTrackedRuns, response: { 200: runTable } } },
      (request) => search(request.body),
    );
    app.get(
      '/tracking/runs/search',
      { config: { access: 'read' }, schema: { tags, querystring: searchQuery, response: { 200: runTable } } },
      (request) => search(request.query),
    );
    app.get(
      '/tracking/runs/fields',
      {
        config: { access: 'read' },
        schema: {
          tags,
          querystring: z.strictObject({ experimentIds: ids }),
          response: { 200: searchFields },
        },
      },
      async (request) => ({ items: await knownFields(request.query.experimentIds ?? null) }),
    );
    app.post(
      '/tracking/runs/compare',
      {
        config: { access: 'read' },
        schema: { tags, body: compareTrackedRuns, response: { 200: runComparison } },
      },
      async (request) => compareRuns(await readCompared(pool, request.body.runIds)),
    );
    app.get(
      '/tracking/importance',
      {
        config: { access: 'read' },
        schema: {
          tags,
          querystring: importanceQuery.extend({ experimentIds: ids }),
          response: { 200: paramImportance },
        },
      },
      async ({ query }) => {
        const filter = parseFilter(query.filter ?? '', SEARCHABLE.runs);
        const runs = await inSearch(db, (trx) =>
          readMeasured(trx, { metric: query.metric, experimentIds: query.experimentIds ?? null, filter }),
        );
        return { metric: query.metric, runs: runs.length, params: paramImportances(runs) };
      },
    );
  };

  async function knownFields(experimentIds: readonly number[] | null) {
    const inExperiments =
      experimentIds === null ? sql`true` : sql`t.experiment_id = any(${experimentIds}::bigint[])`;
    const keys = async (table: string): Promise<string[]> => {
      const { rows } = await sql<{ key: string }>`
        select distinct x.key from ${sql.table(table)} x join tracked_runs t on t.run_id = x.run_id
        where t.deleted_at is null and ${inExperiments} order by x.key
        limit ${TRACKING_API_LIMITS.maxKeys}`.execute(db);
      return rows.map(({ key }) => key);
    };
    const [metric, param, tag] = [
      await keys('metric_series'),
      await keys('run_params'),
      await keys('run_tags'),
    ];
    return fieldCompletions(SEARCHABLE.runs, { metric, param, tag }).map((field) => ({
      ...field,
      comparators: [...field.comparators],
    }));
  }
}

/** @throws TrainyardError INVALID_FILTER for what is no field, INVALID_REQUEST for a direction */
function columnsOf(columns: NonNullable<SearchTrackedRuns['columns']>): Field[] {
  const named = columns.map((column) => {
    const [order] = parseOrderBy([column], SEARCHABLE.runs);
    if (/\s(?:asc|desc)\s*$/i.test(column))
      throw new TrainyardError(
        'INVALID_REQUEST',
        `The column "${column}" has a direction; columns have none.`,
      );
    return order!.field;
  });
  const all: Field[] = [{ group: 'attribute', key: 'run_id' }, ...named];
  return [...new Map(all.map((field) => [`${field.group} ${field.key}`, field])).values()];
}
