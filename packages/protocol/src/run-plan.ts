import { z } from 'zod';
import { STAGE_KINDS } from './definition/stage-kinds.ts';

/** What a stage would do, as far as it is known before the run. */
export const PLANNED_OUTCOMES = {
  run: 'It would run, if its trigger rule and its condition let it.',
  kept: 'A re-run would keep what an earlier run has done.',
  cached: 'Its result is in the cache.',
  skipped: 'It would be skipped; the reason tells why.',
  failed: 'It would fail at once; the reason tells why.',
} as const;

export const plannedStage = z.object({
  path: z.string(),
  kind: z.enum(STAGE_KINDS),
  /** The stages of one layer of a level may run side by side; counted from 1. */
  layer: z.int(),
  dependsOn: z.array(z.string()),
  /** Runs once for each item of a list; items that are known already are stages of their own. */
  foreach: z.boolean(),
  outcome: z.enum(Object.keys(PLANNED_OUTCOMES) as (keyof typeof PLANNED_OUTCOMES)[]),
  /** Why it is so; of a stage that may run, on what that depends, and whether the cache may have its result. */
  reason: z.string().nullable(),
  /** Of a stage that is kept or cached: the run that did the work. */
  from: z.string().nullable(),
  /** Of a stage of a re-run that would run: why nothing is kept for it. */
  notKept: z.string().nullable(),
  /** Where its attempt would wait for an agent; null for what no agent runs. */
  queue: z.string().nullable(),
  /** Of a job. */
  command: z.union([z.string(), z.array(z.string())]).nullable(),
  /** False while expressions of the command need what earlier stages give. */
  isResolved: z.boolean(),
});
export type PlannedStage = z.infer<typeof plannedStage>;

/** What would keep a stage waiting. */
export const runWarning = z.object({ path: z.string(), message: z.string() });

/** What a run would do. Nothing of it is stored. */
export const runPlan = z.object({
  name: z.string(),
  params: z.record(z.string(), z.unknown()),
  /** In the order of the definition; what is inside of a stage, or its items, directly behind it. */
  stages: z.array(plannedStage),
  warnings: z.array(runWarning),
});
export type RunPlan = z.infer<typeof runPlan>;
