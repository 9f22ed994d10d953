import {
  createSchedule,
  launch,
  listLaunchesQuery,
  newId,
  nextInstantsQuery,
  page,
  pauseSchedule,
  SCHEDULE_FIELDS,
  type Schedule,
  schedule,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { checkTemplates } from '../definition/index.ts';
import { checkStartable } from '../pipelines/check-automation.ts';
import { followingInstant, jitterOf } from '../schedules/due-instants.ts';
import { launchParams } from '../schedules/launch-params.ts';
import { cronOccurrences, type Occurrences } from '../schedules/occurrences.ts';
import type { ServerContext } from '../server-context.ts';
import { createScheduleStore, type ScheduleClock, scheduleRow } from '../store/schedules.ts';

const nameParams = z.object({ name: z.string().max(200) });
const TAGS = ['schedules'];

/** Schedules: runs of registered pipelines at instants of a cron pattern. */
export function scheduleRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database, launcher } = context;
  const store = createScheduleStore(database);
  return async (app) => {
    app.post(
      '/schedules',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, body: createSchedule, response: { 201: schedule } },
      },
      async ({ body }, reply) => {
        checkTemplates(body.params, 'schedule', SCHEDULE_FIELDS);
        const occurrences = cronOccurrences(body.cron, body.timezone);
        const { row, firstAt } = newRow(body, occurrences, Date.now());
        // An expression that cannot be computed, or gives what the param cannot be, is found now, not at night.
        const params = launchParams(body, occurrences, firstAt.getTime());
        await checkStartable(context, { ...body, params });
        return reply.status(201).send(await store.add(row));
      },
    );

    app.get(
      '/schedules',
      {
        config: { access: 'read' },
        schema: { tags: TAGS, response: { 200: z.object({ items: z.array(schedule) }) } },
      },
      async () => ({ items: await store.list() }),
    );

    app.get(
      '/schedules/:name',
      { config: { access: 'read' }, schema: { tags: TAGS, params: nameParams, response: { 200: schedule } } },
      (request) => store.get(request.params.name),
    );

    app.delete(
      '/schedules/:name',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, params: nameParams, response: { 204: z.null() } },
      },
      async (request, reply) => {
        await store.remove(request.params.name);
        return reply.status(204).send(null);
      },
    );

    app.post(
      '/schedules/:name/pause',
      {
        config: { access: 'write' },
        schema: {
          tags: TAGS,
          params: nameParams,
          body: pauseSchedule.nullish(),
          response: { 200: schedule },
        },
      },
      (request) => store.pause(request.params.name, request.body?.reason ?? null, new Date()),
    );

    app.post(
      '/schedules/:name/resume',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, params: nameParams, response: { 200: schedule } },
      },
      async (request) => {
        // What passed meanwhile is not made up for: who pauses does not want it.
        const resumed = await store.resume(request.params.name, (one) =>
          clockFrom(one, cronOccurrences(one.cron, one.timezone), Date.now()),
        );
        launcher.wake();
        return resumed;
      },
    );

    app.post(
      '/schedules/:name/run',
      { config: { access: 'write' }, schema: { tags: TAGS, params: nameParams, response: { 202: launch } } },
      async (request, reply) => {
        const planned = await store.runNow(request.params.name, new Date());
        launcher.wake();
        return reply.status(202).send(planned);
      },
    );

    app.get(
      '/schedules/:name/next',
      {
        config: { access: 'read' },
        schema: {
          tags: TAGS,
          params: nameParams,
          querystring: nextInstantsQuery,
          response: { 200: z.object({ items: z.array(z.iso.datetime()) }) },
        },
      },
      async (request) => {
        const found = await store.get(request.params.name);
        return { items: nextInstants(found, request.query.count, Date.now()) };
      },
    );

    app.get(
      '/schedules/:name/launches',
      {
        config: { access: 'read' },
        schema: {
          tags: TAGS,
          params: nameParams,
          querystring: listLaunchesQuery,
          response: { 200: page(launch) },
        },
      },
      (request) => store.launches(request.params.name, request.query),
    );
  };
}

/** @throws TrainyardError INVALID_REQUEST, INVALID_PARAMS */
function newRow(body: z.output<typeof createSchedule>, occurrences: Occurrences, nowMs: number) {
  const id = newId('sch', nowMs);
  const { startAt = null, endAt = null, jitterMs, name, params, timezone } = body;
  const { nextAt, dueAt } = clockFrom({ id, startAt, endAt, jitterMs }, occurrences, nowMs);
  if (nextAt === null) {
    throw new TrainyardError(
      'INVALID_REQUEST',
      `The schedule would never run: "${body.cron}" has no instant between ${startAt ?? 'now'} and ${endAt}.`,
    );
  }
  const row = scheduleRow({
    id,
    name,
    pipeline: body.pipeline,
    version: body.version === 'latest' ? null : body.version,
    params,
    cron: body.cron,
    timezone,
    catch_up: body.catchUp,
    overlap: body.overlap,
    jitter_ms: jitterMs,
    start_at: startAt,
    end_at: endAt,
    next_at: nextAt,
    due_at: dueAt,
    pause_reason: null,
    created_at: new Date(nowMs),
  });
  return { row, firstAt: nextAt };
}

type Clocked = Pick<Schedule, 'id' | 'startAt' | 'endAt' | 'jitterMs'>;

/** The first instant after now that is not before the start. */
function clockFrom(of: Clocked, occurrences: Occurrences, nowMs: number): ScheduleClock {
  const startMs = of.startAt === null ? nowMs : Date.parse(of.startAt) - 1;
  const endAtMs = of.endAt === null ? null : Date.parse(of.endAt);
  const nextAtMs = followingInstant({ endAtMs }, occurrences, Math.max(nowMs, startMs));
  if (nextAtMs === null) return { nextAt: null, dueAt: null };
  return { nextAt: new Date(nextAtMs), dueAt: new Date(nextAtMs + jitterOf(of, nextAtMs)) };
}

function nextInstants(of: Schedule, count: number, nowMs: number): string[] {
  const occurrences = cronOccurrences(of.cron, of.timezone);
  const first = of.pausedAt === null ? of.nextAt : clockFrom(of, occurrences, nowMs).nextAt?.toISOString();
  const endAtMs = of.endAt === null ? null : Date.parse(of.endAt);
  const items: string[] = [];
  let at: number | null = first == null ? null : Date.parse(first);
  while (at !== null && items.length < count) {
    items.push(new Date(at).toISOString());
    at = followingInstant({ endAtMs }, occurrences, at);
  }
  return items;
}
