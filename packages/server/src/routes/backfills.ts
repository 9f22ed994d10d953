import { setImmediate } from 'node:timers/promises';
import {
  BACKFILL_LIMITS,
  backfill,
  backfillPlan,
  createBackfill,
  launch,
  listBackfillsQuery,
  listLaunchesQuery,
  newId,
  page,
  SCHEDULE_FIELDS,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { checkTemplates } from '../definition/index.ts';
import { checkStartable } from '../pipelines/check-automation.ts';
import { launchParams } from '../schedules/launch-params.ts';
import {
  cronOccurrences,
  everyOccurrences,
  type Occurrences,
  occurrencesBetween,
  startOfDay,
} from '../schedules/occurrences.ts';
import type { ServerContext } from '../server-context.ts';
import { type BackfillStore, createBackfillStore } from '../store/backfills.ts';

const idParams = z.object({ id: z.string().max(100) });
const TAGS = ['backfills'];
const PART_SIZE = 100;
type Body = z.output<typeof createBackfill>;

/** Backfills: runs of a registered pipeline for all instants of a range. */
export function backfillRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database, launcher, bus } = context;
  const store = createBackfillStore(database);
  return async (app) => {
    app.post(
      '/backfills',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, body: createBackfill, response: { 201: backfill } },
      },
      async ({ body }, reply) => {
        const { instants, fromMs, toMs, params } = await plan(store, body);
        const version = await checkStartable(context, { ...body, params });
        const added = await store.add({
          id: newId('bkf'),
          pipeline: body.pipeline,
          version,
          params: body.params,
          cron: body.cron ?? null,
          every_ms: body.everyMs ?? null,
          timezone: body.timezone,
          from_at: new Date(fromMs),
          to_at: new Date(toMs),
          max_parallel: body.maxParallel,
          newest_first: body.order === 'newest',
          created_at: new Date(),
          instants,
        });
        launcher.wake();
        return reply.status(201).send(added);
      },
    );

    app.post(
      '/backfills/plan',
      {
        // It takes seconds of work, so it is not for everybody who may read.
        config: { access: 'write' },
        schema: { tags: TAGS, body: createBackfill, response: { 200: backfillPlan } },
      },
      async ({ body }) => {
        const { instants, occurrences, params } = await plan(store, body);
        const version = await checkStartable(context, { ...body, params });
        const owner = { name: body.pipeline, params: body.params, timezone: body.timezone };
        const ordered = body.order === 'newest' ? instants.toReversed() : instants;
        const items = ordered.map(({ atMs, completedBy }, index) => ({
          at: new Date(atMs).toISOString(),
          completedBy,
          ...(index < BACKFILL_LIMITS.planParams ? { params: launchParams(owner, occurrences, atMs) } : {}),
        }));
        return { pipeline: body.pipeline, version, items };
      },
    );

    app.get(
      '/backfills',
      {
        config: { access: 'read' },
        schema: {
          tags: TAGS,
          querystring: listBackfillsQuery,
          response: { 200: page(backfill) },
        },
      },
      (request) => store.list(request.query),
    );

    app.get(
      '/backfills/:id',
      { config: { access: 'read' }, schema: { tags: TAGS, params: idParams, response: { 200: backfill } } },
      (request) => store.get(request.params.id),
    );

    app.get(
      '/backfills/:id/launches',
      {
        config: { access: 'read' },
        schema: {
          tags: TAGS,
          params: idParams,
          querystring: listLaunchesQuery,
          response: { 200: page(launch) },
        },
      },
      (request) => store.launches(request.params.id, request.query),
    );

    app.post(
      '/backfills/:id/cancel',
      { config: { access: 'write' }, schema: { tags: TAGS, params: idParams, response: { 202: backfill } } },
      async (request, reply) => {
        const cancelled = await store.cancel(request.params.id, new Date());
        bus.emit('inbox');
        return reply.status(202).send(cancelled);
      },
    );
  };
}

/** The instants of a backfill and what is to be done about each. @throws TrainyardError INVALID_REQUEST, INVALID_PARAMS */
async function plan(store: BackfillStore, body: Body) {
  checkTemplates(body.params, 'schedule', SCHEDULE_FIELDS);
  const { fromMs, toMs } = rangeOf(body);
  const occurrences = occurrencesOf(body, fromMs);
  const found = await allBetween(occurrences, fromMs, toMs);
  const range = `from ${body.from} to ${body.to}`;
  if (found.length > BACKFILL_LIMITS.launches) {
    throw new TrainyardError(
      'TOO_LARGE',
      `There are more than ${BACKFILL_LIMITS.launches} instants ${range}; take a shorter range or a longer step.`,
    );
  }
  const [first] = found;
  if (first === undefined) throw new TrainyardError('INVALID_REQUEST', `There is no instant ${range}.`);
  // One that cannot be computed is found before anything is stored.
  const owner = { name: body.pipeline, params: body.params, timezone: body.timezone };
  const params = launchParams(owner, occurrences, first);
  const completed = body.again ? new Map<number, string>() : await store.completedBy(body.pipeline, found);
  const instants = found.map((atMs) => ({ atMs, completedBy: completed.get(atMs) ?? null }));
  return { instants, occurrences, fromMs, toMs, params };
}

/** Up to one more than the limit. Thousands of them take seconds, in which others must be served. */
async function allBetween(occurrences: Occurrences, fromMs: number, toMs: number): Promise<number[]> {
  const found: number[] = [];
  for (let next = fromMs; found.length <= BACKFILL_LIMITS.launches; next = found.at(-1)! + 1) {
    const part = occurrencesBetween(occurrences, next, toMs, PART_SIZE);
    found.push(...part);
    if (part.length < PART_SIZE) break;
    await setImmediate();
  }
  return found;
}

/** The range in milliseconds, without its end: a day is meant with all its instants, an instant with itself. */
function rangeOf({ from, to, timezone }: Body): { fromMs: number; toMs: number } {
  const isDay = (text: string): boolean => text.length === 10;
  const fromMs = isDay(from) ? startOfDay(from, timezone) : Date.parse(from);
  const toMs = isDay(to) ? startOfDay(dayAfter(to), timezone) : Date.parse(to) + 1;
  if (fromMs < toMs) return { fromMs, toMs };
  throw new TrainyardError('INVALID_REQUEST', `The range ends (${to}) before it begins (${from}).`);
}

function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

function occurrencesOf({ cron, everyMs, timezone }: Body, fromMs: number): Occurrences {
  if (cron !== undefined) return cronOccurrences(cron, timezone);
  return everyOccurrences(fromMs, everyMs!, timezone);
}
