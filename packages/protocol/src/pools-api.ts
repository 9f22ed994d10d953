import { z } from 'zod';
import { DEFINITION_LIMITS } from './definition/index.ts';
import { name } from './definition/values.ts';

const instant = z.iso.datetime();

/** Limits of pools. */
export const POOL_LIMITS = {
  maxPools: 1000,
  maxDescriptionLength: 1000,
  /** Holders and waiting attempts that are listed by name; all are counted. */
  maxListed: 100,
} as const;

export const poolName = name;

export const setPool = z.strictObject({
  /** 0 lets nothing new start, and what runs go on. */
  slots: z.int().min(0).max(DEFINITION_LIMITS.maxPoolSlots),
  /** Left out: stays as it is. */
  description: z.string().max(POOL_LIMITS.maxDescriptionLength).nullable().optional(),
});
export type SetPool = z.input<typeof setPool>;

/** An attempt that holds slots of a pool, or waits for them. */
const poolUser = z.object({
  runId: z.string(),
  rootId: z.string(),
  /** Name of the root run, and path of the stage in it. */
  runName: z.string(),
  path: z.string(),
  attempt: z.int(),
  slots: z.int(),
  /** When it was claimed; of one that waits, when it was queued. */
  since: instant,
});
export type PoolUser = z.infer<typeof poolUser>;

export const pool = z.object({
  name: z.string(),
  slots: z.int(),
  description: z.string().nullable(),
  /** Slots that are held. More than `slots` after the pool was made smaller. */
  inUse: z.int(),
  /** Attempts that need the pool and wait to be claimed, for whatever reason. */
  waiting: z.int(),
  createdAt: instant,
  updatedAt: instant,
});
export type Pool = z.infer<typeof pool>;

export const poolDetails = pool.extend({
  /** Longest first. */
  holders: z.array(poolUser),
  /** In the order in which they are served. */
  queue: z.array(poolUser),
});
export type PoolDetails = z.infer<typeof poolDetails>;

/**
 * Why a run that could be at work waits: a pool or a concurrency group has no room, its agent or host is away, or it
 * was asked to pause and does not stand still yet.
 */
export const runWait = z.object({
  runId: z.string(),
  path: z.string(),
  reason: z.string(),
  /** It was asked to pause, and has not confirmed that it stands still. */
  isPausing: z.literal(true).optional(),
});
export type RunWait = z.infer<typeof runWait>;
