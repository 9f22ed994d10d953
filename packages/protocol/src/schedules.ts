import { z } from 'zod';
import { automationName, pipelineToRun, templateParams } from './automation.ts';
import { answeredJson } from './definition/values.ts';
import { numberCursor } from './page-cursor.ts';
import { pipelineVersionRef } from './pipelines-api.ts';
import { RUN_STATUSES } from './run-status.ts';

/** What happens with instants that passed while no server ran. */
export const CATCH_UP_POLICIES = {
  none: 'None of them is run.',
  latest: 'Only the latest of them is run.',
  all: 'All of them are run, up to the limit.',
} as const;
export type CatchUpPolicy = keyof typeof CATCH_UP_POLICIES;
const catchUp = z.enum(Object.keys(CATCH_UP_POLICIES) as [CatchUpPolicy, ...CatchUpPolicy[]]);

/** What happens when a run of the same schedule has not ended yet. */
export const OVERLAP_POLICIES = {
  allow: 'The new run starts beside it.',
  skip: 'The new run is left out.',
  queue: 'The new run waits until it has ended.',
  cancel_running: 'It is cancelled, and the new run starts when it has ended.',
} as const;
export type OverlapPolicy = keyof typeof OVERLAP_POLICIES;
const overlap = z.enum(Object.keys(OVERLAP_POLICIES) as [OverlapPolicy, ...OverlapPolicy[]]);

/** Every state of a planned run, with what it means. */
export const LAUNCH_STATES = {
  waiting: 'It is to start as soon as the policy allows.',
  starting: 'A server is starting it.',
  running: 'Its run has not ended.',
  ended: 'Its run has ended.',
  skipped: 'It was left out; the reason says why.',
  refused: 'No run could be started; the reason says why.',
} as const;
export type LaunchState = keyof typeof LAUNCH_STATES;
export const launchState = z.enum(Object.keys(LAUNCH_STATES) as [LaunchState, ...LaunchState[]]);

export const SCHEDULE_LIMITS = {
  schedules: 1000,
  cronLength: 200,
  /** Missed instants that are made up for; older ones are passed over. */
  catchUp: 100,
  /** Planned runs of one schedule that may wait. */
  queue: 100,
  maxJitterMs: 86_400_000,
  /** An instant that is found later than this counts as missed. */
  lateMs: 60_000,
} as const;

/** The fields of `schedule` in expressions of params. */
export const SCHEDULE_FIELDS = ['at', 'previousAt', 'nextAt', 'date', 'name'] as const;

export const timezone = z.string().min(1).max(100).default('UTC');
const instantOrOffset = z.iso.datetime({ offset: true });

export const createSchedule = z.strictObject({
  name: automationName,
  ...pipelineToRun.shape,
  /** Texts may hold expressions over `schedule`. */
  params: templateParams.default({}),
  /** Five fields, or a nickname such as `@daily`. */
  cron: z.string().min(1).max(SCHEDULE_LIMITS.cronLength),
  /** An IANA name such as Europe/Berlin. */
  timezone,
  catchUp: catchUp.default('latest'),
  overlap: overlap.default('skip'),
  /** Each instant is delayed by a part of this that is always the same for it. */
  jitterMs: z.int().min(0).max(SCHEDULE_LIMITS.maxJitterMs).default(0),
  /** Nothing is run before. */
  startAt: instantOrOffset.optional(),
  /** Nothing is run after. */
  endAt: instantOrOffset.optional(),
});
export type CreateSchedule = z.input<typeof createSchedule>;

/** A run that a schedule or a backfill has planned, and what became of it. */
export const launch = z.object({
  id: z.string(),
  /** The instant that it is for. */
  at: z.iso.datetime(),
  state: launchState,
  reason: z.string().nullable(),
  runId: z.string().nullable(),
  runStatus: z.enum(RUN_STATUSES).nullable(),
  /** Asked for by a person, not by the clock. */
  isManual: z.boolean(),
  createdAt: z.iso.datetime(),
});
export type Launch = z.infer<typeof launch>;

export const schedule = z.object({
  id: z.string(),
  name: z.string(),
  pipeline: z.string(),
  version: pipelineVersionRef,
  params: z.record(z.string(), answeredJson),
  cron: z.string(),
  timezone: z.string(),
  catchUp,
  overlap,
  jitterMs: z.int(),
  startAt: z.iso.datetime().nullable(),
  endAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
  pausedAt: z.iso.datetime().nullable(),
  pauseReason: z.string().nullable(),
  /** Without jitter; null when nothing follows any more. Stands still while the schedule is paused. */
  nextAt: z.iso.datetime().nullable(),
  lastLaunch: launch.nullable(),
});
export type Schedule = z.infer<typeof schedule>;

export const pauseSchedule = z.strictObject({ reason: z.string().max(500).optional() });

export const nextInstantsQuery = z.object({ count: z.coerce.number().int().min(1).max(100).default(10) });

export const listLaunchesQuery = z.object({
  state: launchState.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: numberCursor,
});
