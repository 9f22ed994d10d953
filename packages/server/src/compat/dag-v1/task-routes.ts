import { olderNode, type Run, TrainyardError, toOlderNode } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { insertFacts } from '../../attempts/claim.ts';
import type { ServerContext } from '../../server-context.ts';
import { createRunStore } from '../../store/runs.ts';
import { readRunDetails } from '../run-details.ts';
import { readTaskLog } from './task-log.ts';

const taskQuery = z.object({ id: z.string().max(100) });
const olderLine = z.object({
  /** Number of the line among those of all attempts of the task, from 1. */
  seq: z.int(),
  /** Programs write text; how grave a line is, is not told. */
  level: z.literal('info'),
  /** 1: output and error output come in one, in the order in which they were written. */
  stream: z.literal(1),
  attempt: z.int(),
  ts_ms: z.number(),
  message: z.string(),
});

/** The older server's routes for single tasks. A task here is a node of a DAG run: `id` is its run's id. */
export function olderTaskRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const runs = createRunStore(context.database);
  const find = async (id: string): Promise<Run> => {
    const run = await runs.find(id);
    if (run !== undefined) return run;
    throw new TrainyardError('NOT_FOUND', `There is no task ${id}.`);
  };

  return async (app) => {
    app.get(
      '/tasks/get',
      {
        config: { access: 'read' },
        schema: { tags: ['older systems'], querystring: taskQuery, response: { 200: olderNode } },
      },
      async (request) => {
        const run = await find(request.query.id);
        return toOlderNode(run, (await readRunDetails(context.database.kysely, [run]))(run));
      },
    );

    app.post(
      '/tasks/cancel',
      {
        config: { access: 'write' },
        schema: {
          tags: ['older systems'],
          body: z.looseObject({ id: z.string().max(100) }),
          response: { 200: z.object({ ok: z.boolean() }) },
        },
      },
      async (request) => {
        const { rootId, index, endedAt, kind } = await find(request.body.id);
        if (endedAt !== null || kind === 'external') return { ok: false };
        const fact = { kind: 'cancel', node: index, at: Date.now(), reason: 'cancelled by a user' };
        await insertFacts(context.database.kysely, [{ root_id: rootId, event: fact }]);
        context.bus.emit('inbox');
        return { ok: true };
      },
    );

    app.get(
      '/tasks/logs',
      {
        config: { access: 'read' },
        schema: {
          tags: ['older systems'],
          querystring: taskQuery.extend({
            from: z.coerce.number().int().min(1).default(1),
            limit: z.coerce.number().int().min(1).max(2000).default(200),
          }),
          response: { 200: z.object({ logs: z.array(olderLine), next_from: z.int() }) },
        },
      },
      async (request) => {
        const { id, from, limit } = request.query;
        const lines = await readTaskLog(context.database, (await find(id)).id, { from, limit });
        const logs = lines.map(({ seq, attempt, time, text }) => ({
          ...{ seq, level: 'info' as const, stream: 1 as const, attempt },
          ts_ms: time.getTime(),
          message: text,
        }));
        return { logs, next_from: (logs.at(-1)?.seq ?? from - 1) + 1 };
      },
    );
  };
}
