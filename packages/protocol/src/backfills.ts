import { z } from 'zod';
import { pipelineToRun, templateParams } from './automation.ts';
import { answeredJson, jsonValue } from './definition/values.ts';
import { idCursor } from './page-cursor.ts';
import {
  LAUNCH_STATES,
  type LaunchState,
  launchState,
  listLaunchesQuery,
  SCHEDULE_LIMITS,
  timezone,
} from './schedules.ts';

export const BACKFILL_LIMITS = {
  /** Instants of one backfill. */
  launches: 10_000,
  /** Instants of a plan that are shown with their params. */
  planParams: 100,
  maxParallel: 1000,
  minEveryMs: 60_000,
  maxEveryMs: 366 * 86_400_000,
} as const;

/** A day such as 2026-01-31 in the time zone, or an instant with its offset. */
const dayOrInstant = z.union([z.iso.date(), z.iso.datetime({ offset: true })], {
  error: 'give a day that exists, such as 2026-01-31, or an instant such as 2026-01-31T06:00:00Z',
});

export const createBackfill = z
  .strictObject({
    ...pipelineToRun.shape,
    /** Texts may hold expressions over `schedule`. */
    params: templateParams.default({}),
    /** The first instant, if it is one. */
    from: dayOrInstant,
    /** The last instant, if it is one; a day is meant with all its instants. */
    to: dayOrInstant,
    cron: z.string().min(1).max(SCHEDULE_LIMITS.cronLength).optional(),
    /** From `from` on; whole days are days of the time zone. */
    everyMs: z
      .int()
      .min(BACKFILL_LIMITS.minEveryMs, 'at least one minute, for example 1h or 1d')
      .max(BACKFILL_LIMITS.maxEveryMs, 'at most 366 days')
      .optional(),
    timezone,
    maxParallel: z.int().min(1).max(BACKFILL_LIMITS.maxParallel).default(1),
    order: z.enum(['oldest', 'newest']).default('oldest'),
    /** Also instants for which a run of the pipeline has completed already. */
    again: z.boolean().default(false),
  })
  .refine((body) => (body.cron === undefined) !== (body.everyMs === undefined), {
    message: 'give exactly one of "cron" and "everyMs"',
  });
export type CreateBackfill = z.input<typeof createBackfill>;

/** What a backfill would do; nothing is stored. */
export const backfillPlan = z.object({
  pipeline: z.string(),
  version: z.int(),
  items: z.array(
    z.object({
      at: z.iso.datetime(),
      /** The run that has completed for this instant, because of which it would be left out. */
      completedBy: z.string().nullable(),
      /** Of the first ones only. */
      params: z.record(z.string(), jsonValue).optional(),
    }),
  ),
});
export type BackfillPlan = z.infer<typeof backfillPlan>;

/** Every status of a backfill, with what it means. */
export const BACKFILL_STATUSES = {
  running: 'Some of its runs have not ended.',
  completed: 'All its runs have ended, and all of them well.',
  failed: 'All its runs have ended, some of them badly, or some could not be started.',
  cancelling: 'It was cancelled, and some of its runs have not ended.',
  cancelled: 'It was cancelled, and all its runs have ended.',
} as const;
export type BackfillStatus = keyof typeof BACKFILL_STATUSES;

export const backfill = z.object({
  id: z.string(),
  status: z.enum(Object.keys(BACKFILL_STATUSES) as [BackfillStatus, ...BackfillStatus[]]),
  pipeline: z.string(),
  version: z.int(),
  params: z.record(z.string(), answeredJson),
  from: z.iso.datetime(),
  /** Not included itself. */
  to: z.iso.datetime(),
  cron: z.string().nullable(),
  everyMs: z.int().nullable(),
  timezone: z.string(),
  maxParallel: z.int(),
  order: z.enum(['oldest', 'newest']),
  createdAt: z.iso.datetime(),
  cancelledAt: z.iso.datetime().nullable(),
  /** Planned runs by state. */
  launches: z.record(launchState, z.int()),
  /** Of those that ended: runs that completed, and others. */
  succeeded: z.int(),
  failed: z.int(),
});
export type Backfill = z.infer<typeof backfill>;

/** No planned run in any state. */
export const NO_LAUNCHES = Object.fromEntries(
  Object.keys(LAUNCH_STATES).map((state) => [state, 0]),
) as Readonly<Record<LaunchState, number>>;

export const listBackfillsQuery = listLaunchesQuery.pick({ limit: true }).extend({ cursor: idCursor('bkf') });
