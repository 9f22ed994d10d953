import { findingInfo, listFindingsQuery, page, runHealth, TrainyardError } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { healthOf } from '../diagnosis/finding.ts';
import type { ServerContext } from '../server-context.ts';
import { acknowledgeFinding, listFindings, openOfRun } from '../store/findings.ts';
import { createRunStore } from '../store/runs.ts';
import { bearerToken } from './route-access.ts';

const idParams = z.object({ id: z.string().max(100) });
const tags = ['findings'];

/** What rules have found in the metrics of runs. */
export function findingRoutes({ database, auth }: ServerContext): FastifyPluginAsyncZod {
  const runs = createRunStore(database);

  return async (app) => {
    app.get(
      '/findings',
      {
        config: { access: 'read' },
        schema: { tags, querystring: listFindingsQuery, response: { 200: page(findingInfo) } },
      },
      async ({ query: { run: runId, cursor, ...query } }) => {
        const run = runId === undefined ? undefined : await runs.get(runId);
        const items = await listFindings(database.kysely, {
          ...query,
          run,
          before: cursor,
        });
        return { items, nextCursor: items.length < query.limit ? null : items.at(-1)!.id };
      },
    );

    app.get(
      '/runs/:id/health',
      { config: { access: 'read' }, schema: { tags, params: idParams, response: { 200: runHealth } } },
      async (request) => {
        const { id, attempt } = await runs.get(request.params.id);
        const findings = await openOfRun(database.kysely, id, attempt);
        return { runId: id, ...healthOf(findings.map(({ severity }) => severity)), findings };
      },
    );

    app.post(
      '/findings/:id/acknowledge',
      { config: { access: 'write' }, schema: { tags, params: idParams, response: { 200: findingInfo } } },
      async (request) => {
        const by = (await auth.holderOf(bearerToken(request))).name;
        const found = await acknowledgeFinding(database.kysely, request.params.id, by);
        if (found !== undefined) return found;
        throw new TrainyardError('NOT_FOUND', `There is no finding ${request.params.id}.`);
      },
    );
  };
}
