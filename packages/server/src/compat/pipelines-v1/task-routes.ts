import {
  type OlderPipelineStage,
  olderPipelineStage,
  olderStageStatus,
  type Run,
  type RunStatus,
  statusesOfOlderStage,
  TrainyardError,
  toOlderPipelineStage,
  toOlderStageStatus,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { sql } from 'kysely';
import { z } from 'zod';
import { retrySubmission } from '../../rerun/retry-submission.ts';
import { idempotencyKey } from '../../routes/idempotency-key.ts';
import type { ServerContext } from '../../server-context.ts';
import { createRunStore } from '../../store/runs.ts';
import { submitChecked } from '../../submit-checked.ts';
import { readRunDetails } from '../run-details.ts';
import { tellTree } from '../training-v1/tell-tree.ts';

const idParams = z.object({ id: z.string().max(100) });
const TAGS = ['older systems'];
const READ = { access: 'read' } as const;
const WRITE = { access: 'write' } as const;
/** Pipelines whose stages the overview counts, the newest. */
const OVERVIEW_PIPELINES = 1000;
const MAX_PURGED = 1000;

/** The older routes for tasks: a task is a stage that an agent carries out, `id` is its run's. */
export function olderPipelineTaskRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database } = context;
  const { kysely } = database;
  const runs = createRunStore(database);
  const find = async (id: string): Promise<Run> => {
    const run = await runs.find(id);
    if (run?.kind === 'job') return run;
    throw new TrainyardError('NOT_FOUND', `There is no task ${id}.`);
  };
  const shown = async (found: readonly Run[]): Promise<OlderPipelineStage[]> => {
    const details = await readRunDetails(kysely, found);
    return found.map((run) => toOlderPipelineStage(run, details(run)));
  };
  const cancel = ({ rootId, index }: Pick<Run, 'rootId' | 'index'>, reason: string) =>
    tellTree(context, { rootId, node: index }, { kind: 'cancel', reason });

  return async (app) => {
    app.get(
      '/tasks',
      {
        config: READ,
        schema: {
          tags: TAGS,
          querystring: z.object({
            status: olderStageStatus.optional(),
            offset: z.coerce.number().int().min(0).max(100_000).default(0),
            limit: z.coerce.number().int().min(1).max(500).default(20),
          }),
          response: { 200: z.object({ items: z.array(olderPipelineStage) }) },
        },
      },
      async ({ query: { status, offset, limit } }) => {
        const statuses = status === undefined ? null : statusesOfOlderStage(status);
        const { rows } = await sql<{ id: string }>`
          select id from runs
          where kind = 'job' and (${statuses}::text[] is null or status = any(${statuses}::text[]))
          order by id desc offset ${offset} limit ${limit}`.execute(kysely);
        const found = await runs.findAll(rows.map(({ id }) => id));
        const byId = new Map(found.map((run) => [run.id, run]));
        return { items: await shown(rows.flatMap(({ id }) => byId.get(id) ?? [])) };
      },
    );
    app.get(
      '/tasks/stats/overview',
      {
        config: READ,
        schema: {
          tags: TAGS,
          response: { 200: z.object({ tasks: z.partialRecord(olderStageStatus, z.int()), total: z.int() }) },
        },
      },
      async () => {
        const { rows } = await sql<{ status: RunStatus; count: number }>`
          select key as status, sum(value::int)::int as count
          from (select counts from trees order by root_id desc limit ${OVERVIEW_PIPELINES}) t, jsonb_each_text(t.counts)
          group by key`.execute(kysely);
        const tasks: Partial<Record<OlderPipelineStage['status'], number>> = {};
        for (const { status, count } of rows) {
          const word = toOlderStageStatus(status);
          tasks[word] = (tasks[word] ?? 0) + count;
        }
        return { tasks, total: rows.reduce((sum, { count }) => sum + count, 0) };
      },
    );
    app.get(
      '/tasks/:id',
      { config: READ, schema: { tags: TAGS, params: idParams, response: { 200: olderPipelineStage } } },
      async (request) => (await shown([await find(request.params.id)]))[0]!,
    );
    app.get(
      '/tasks/:id/result',
      {
        config: READ,
        schema: {
          tags: TAGS,
          params: idParams,
          response: { 200: z.object({ task_id: z.string(), status: olderStageStatus, result: z.unknown() }) },
        },
      },
      async (request) => {
        const { id, status, outputs } = await find(request.params.id);
        return { task_id: id, status: toOlderStageStatus(status), result: outputs };
      },
    );
    app.post(
      '/tasks/:id/cancel',
      { config: WRITE, schema: { tags: TAGS, params: idParams, response: { 202: olderPipelineStage } } },
      async (request, reply) => {
        const run = await find(request.params.id);
        if (run.endedAt !== null) {
          throw new TrainyardError(
            'CONFLICT',
            `Task ${run.id} is ${run.status} already; there is nothing to cancel.`,
          );
        }
        await cancel(run, 'cancelled by a user');
        return reply.status(202).send((await shown([run]))[0]!);
      },
    );
    app.post(
      '/tasks/:id/retry',
      {
        config: WRITE,
        schema: {
          tags: TAGS,
          params: idParams,
          response: { 201: z.object({ pipeline_run_id: z.string(), retry_of: z.string() }) },
        },
      },
      async (request, reply) => {
        const { id, rootId, path } = await find(request.params.id);
        const submission = await retrySubmission(database, rootId, {
          ...{ stages: [path], all: false, params: {}, noCache: false },
          idempotencyKey: idempotencyKey(request.headers),
        });
        const started = await submitChecked(context, submission);
        return reply.status(201).send({ pipeline_run_id: started.rootId, retry_of: id });
      },
    );
    app.post(
      '/tasks/purge',
      {
        config: { access: 'admin' },
        schema: { tags: TAGS, response: { 200: z.object({ purged: z.int() }) } },
      },
      async () => {
        const waiting = await kysely
          .selectFrom('attempts')
          .select(['root_id', 'node_index'])
          .where('status', '=', 'queued')
          .orderBy('id')
          .limit(MAX_PURGED)
          .execute();
        for (const row of waiting) {
          await cancel({ rootId: row.root_id, index: row.node_index }, 'the queue was purged');
        }
        return { purged: waiting.length };
      },
    );
  };
}
