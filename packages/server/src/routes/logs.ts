import { Readable } from 'node:stream';
import { isTerminalAttemptStatus, isTerminalRunStatus, TrainyardError } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { sql } from 'kysely';
import { z } from 'zod';
import {
  exportLogBytes,
  exportLogText,
  logSize,
  MAX_LOG_LINES,
  MAX_LOG_READ_BYTES,
  readLogBytes,
  readLogLines,
} from '../ingest/index.ts';
import type { ServerContext } from '../server-context.ts';
import type { Database } from '../store/database.ts';

const idParams = z.object({ id: z.string().max(100) });
const offset = z.coerce.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER).default(0);
const attempt = z.coerce.number().int().min(1).optional();

const logLines = z.object({
  items: z.array(
    z.object({ offset: z.int(), time: z.iso.datetime(), text: z.string(), cut: z.literal(true).optional() }),
  ),
  nextOffset: z.int(),
  size: z.int(),
  complete: z.boolean(),
});

/** Logs of runs: bytes as the process wrote them, or lines with the time they were received. */
export function logRoutes({ database }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/runs/:id/log',
      {
        config: { access: 'read' },
        schema: {
          tags: ['logs'],
          params: idParams,
          querystring: z.object({
            attempt,
            /** In bytes; negative: counted from the end. */
            offset,
            limit: z.coerce
              .number()
              .int()
              .min(1)
              .max(MAX_LOG_READ_BYTES)
              .default(1024 * 1024),
          }),
        },
      },
      async (request, reply) => {
        const { offset, limit } = request.query;
        const found = await findAttempt(database, request.params.id, request.query.attempt);
        const part = await readLogBytes(database, found.attemptId, offset, limit);
        const nextOffset = part.offset + part.bytes.length;
        return reply
          .headers({
            'content-type': 'text/plain; charset=utf-8',
            'x-content-type-options': 'nosniff',
            'x-attempt': found.number,
            'x-attempt-id': found.attemptId,
            'x-offset': part.offset,
            'x-next-offset': nextOffset,
            'x-size': part.size,
            'x-complete': String(found.ended && nextOffset === part.size),
          })
          .send(part.bytes);
      },
    );

    app.get(
      '/runs/:id/log/download',
      {
        config: { access: 'read' },
        schema: {
          tags: ['logs'],
          description:
            'The whole log as a file: `raw` as the process wrote it, `text` with a time before each line.',
          params: idParams,
          querystring: z.object({ attempt, format: z.enum(['raw', 'text']).default('text') }),
        },
      },
      async (request, reply) => {
        const { id } = request.params;
        const { format } = request.query;
        const { attemptId, number } = await findAttempt(database, id, request.query.attempt);
        // Before the answer begins, in the middle of which nothing could be said any more.
        await logSize(database, attemptId);
        const read = format === 'raw' ? exportLogBytes : exportLogText;
        return reply
          .headers({
            'content-type': format === 'raw' ? 'application/octet-stream' : 'text/plain; charset=utf-8',
            'content-disposition': `attachment; filename="${id}-${number}.log"`,
            'x-content-type-options': 'nosniff',
            'x-attempt': number,
          })
          .send(Readable.from(read(database, attemptId)));
      },
    );

    app.get(
      '/runs/:id/log/lines',
      {
        config: { access: 'read' },
        schema: {
          tags: ['logs'],
          params: idParams,
          querystring: z.object({
            attempt,
            /** In bytes, the begin of a line; negative: the first line that begins so many bytes from the end. */
            offset,
            limit: z.coerce.number().int().min(1).max(MAX_LOG_LINES).default(1000),
          }),
          response: { 200: logLines },
        },
      },
      async (request) => {
        const { offset, limit } = request.query;
        const { attemptId, ended } = await findAttempt(database, request.params.id, request.query.attempt);
        const { lines, nextOffset, size } = await readLogLines(database, attemptId, offset, limit, ended);
        const items = lines.map((line) => ({ ...line, time: line.time.toISOString() }));
        return { items, nextOffset, size, complete: ended && nextOffset === size };
      },
    );
  };
}

interface FoundAttempt {
  /** Empty while the run has no attempt. */
  readonly attemptId: string;
  /** 0 while the run has no attempt. */
  readonly number: number;
  /** Whether the log grows no more. */
  readonly ended: boolean;
}

/**
 * The attempt whose log is asked for: the newest one unless a number is given. A run that took over the results
 * of another one has its log.
 */
async function findAttempt(
  { kysely }: Database,
  runId: string,
  number: number | undefined,
): Promise<FoundAttempt> {
  const row = await kysely
    .selectFrom('runs')
    .leftJoin('runs as producer', (join) =>
      join.on(sql<boolean>`producer.id = coalesce(runs.kept_from, runs.cached_from, runs.id)`),
    )
    .leftJoin('attempts', (join) =>
      number === undefined
        ? join.onRef('attempts.run_id', '=', 'producer.id').onRef('attempts.number', '=', 'producer.attempt')
        : join.onRef('attempts.run_id', '=', 'producer.id').on('attempts.number', '=', number),
    )
    .select(['runs.kind', 'runs.status as runStatus', 'attempts.id', 'attempts.number', 'attempts.status'])
    .where('runs.id', '=', runId)
    .executeTakeFirst();
  if (row === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${runId}.`);
  if (row.id !== null && row.number !== null && row.status !== null) {
    return { attemptId: row.id, number: row.number, ended: isTerminalAttemptStatus(row.status) };
  }
  if (row.kind !== 'job') {
    throw new TrainyardError(
      'NOT_FOUND',
      row.kind === 'external'
        ? `Run ${runId} is carried out by a program outside of Trainyard, and its output is there.`
        : `Run ${runId} is of kind "${row.kind}" and has no log of its own; read the logs of its stages (GET /api/v1/runs/${runId}/tree lists them).`,
    );
  }
  if (number !== undefined) {
    throw new TrainyardError('NOT_FOUND', `Run ${runId} has no attempt ${number}.`);
  }
  return { attemptId: '', number: 0, ended: isTerminalRunStatus(row.runStatus) };
}
