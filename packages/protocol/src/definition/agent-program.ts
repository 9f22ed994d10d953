import { z } from 'zod';
import { duration, name } from './values.ts';

/** Environment variables of a program, by name. */
export const environment = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of an environment variable'),
  z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]),
);

/** Signals by which a program may be asked to end. USR1 and USR2 have other meanings in libraries for GPUs. */
export const stopSignal = z.enum(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

const MAX_LABELS = 50;

/** What every stage may say whose work an agent does in a process of its own. */
export const agentProgram = {
  /** Only agents that serve this queue take it. */
  queue: name.default('default'),
  /** Only agents with all of these labels take it. */
  labels: z
    .record(z.string().min(1).max(100), z.string().max(200))
    .refine((value) => Object.keys(value).length <= MAX_LABELS, {
      message: `a stage asks for at most ${MAX_LABELS} labels`,
    })
    .optional(),
  /** Time from the first polite signal to KILL. */
  grace: duration.default(10_000),
  /** The polite signal. */
  stopSignal: stopSignal.optional(),
  /** Without output, metrics or progress for so long it is ended as hung; never unless given. */
  stallTimeout: duration.optional(),
};

/** What a stage whose program is the user's own may say of how it reports. */
export const reporting = {
  /** The program finds a token in its environment with which it may report of its own run, and of nothing else. */
  jobToken: z.boolean().optional(),
  /** Lines of its output that tell a step and numbers become metrics. */
  metricsFromLog: z.boolean().optional(),
};

export const resources = z.strictObject({ gpus: z.int().min(0).max(64).default(0) }).default({ gpus: 0 });

export const command = z.union([
  z.string().min(1).max(100_000),
  z
    .array(z.union([z.string().max(100_000), z.number().transform(String)]))
    .min(1)
    .max(1000),
]);

/** A directory, relative to the pipeline file. */
export const workingDir = z.string().min(1).max(4096);
