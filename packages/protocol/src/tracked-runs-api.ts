import { z } from 'zod';
import { runKind } from './api.ts';
import { numberCursor } from './page-cursor.ts';
import { RUN_STATUSES } from './run-status.ts';

const instant = z.iso.datetime();
const texts = z.record(z.string(), z.string());

/** A group of runs that are compared. */
export const experimentInfo = z.object({
  /** 0 is "Default". */
  id: z.int(),
  name: z.string(),
  /** Null: this server keeps the artifacts of its runs. */
  artifactLocation: z.string().nullable(),
  tags: texts,
  createdAt: instant,
  updatedAt: instant,
  deletedAt: instant.nullable(),
});
export type ExperimentInfo = z.infer<typeof experimentInfo>;

export const searchExperimentsQuery = z.object({
  /** As in `name LIKE 'digits%' AND tags.team = 'a'`. */
  filter: z.string().max(100_000).default(''),
  /** As in `name ASC`; may be given several times. */
  orderBy: z.union([z.string().max(1000), z.array(z.string().max(1000)).max(20)]).default([]),
  view: z.enum(['active', 'deleted', 'all']).default('active'),
  cursor: numberCursor,
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

/** A run of an experiment, of whatever kind. */
export const trackedRun = z.object({
  id: z.string(),
  kind: runKind,
  experimentId: z.int(),
  name: z.string(),
  userId: z.string(),
  status: z.enum(RUN_STATUSES),
  /** Epoch milliseconds. */
  startMs: z.number(),
  endMs: z.number().nullable(),
  isDeleted: z.boolean(),
  params: texts,
  tags: texts,
  /** The latest point of each; NaN and the infinities as texts. */
  metrics: z.record(
    z.string(),
    z.object({ value: z.union([z.number(), z.string()]), step: z.number(), time: z.number() }),
  ),
});
export type TrackedRunInfo = z.infer<typeof trackedRun>;

const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const key = z.string().min(1).max(250);

/** What a program logs at once: all of it is stored, or nothing. */
export const logToRun = z.object({
  params: z.record(key, z.string().max(6000)).default({}),
  tags: z.record(key, z.string().max(8000)).default({}),
  metrics: z
    .array(
      z.object({
        key,
        value: number,
        step: z.int().default(0),
        /** Epoch milliseconds; default: when it arrives. */
        time: z.number().min(0).optional(),
      }),
    )
    .max(10_000)
    .default([]),
});
export type LogToRun = z.input<typeof logToRun>;
