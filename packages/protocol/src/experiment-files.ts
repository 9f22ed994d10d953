import { z } from 'zod';
import { DEFINITION_LIMITS } from './definition/limits.ts';
import { type JsonValue, jsonValue, name } from './definition/values.ts';

/** The four files of an experiment, by what they say (docs/guides/experiments.md). */
export const EXPERIMENT_FILES = ['env', 'experiment', 'base', 'trials'] as const;
export type ExperimentFile = (typeof EXPERIMENT_FILES)[number];

const MAX_REPEATS = 10_000;
/** Lists that the product of one trial may have. */
const MAX_LISTS = 20;

const mapping = z.record(z.string().max(250), jsonValue);
/** What a registry makes something of, by its type. */
const typed = z.looseObject({ type: z.string().min(1).max(250) });
/** An empty YAML file is null. */
const mappingOrNothing = z.preprocess((value) => value ?? {}, mapping);

/** `env.yaml`: where and how the programs run. */
export const experimentEnv = z.strictObject({
  /** Directory for what the experiment leaves, relative to its own. */
  workspace: z.string().min(1).max(4096).default('workspace'),
  verbose: z.boolean().default(false),
  debug: z.boolean().default(false),
  device: z.string().min(1).max(100).default('cpu'),
  args: mappingOrNothing.default({}),
  trackers: z.array(typed).max(100).default([]),
  /** Trial runs at the same time; as many as there are slots, unless set. */
  maxParallel: z.int().min(1).max(DEFINITION_LIMITS.maxParallel).optional(),
  /** What the job of `experiment.yaml` is put over: queue, executor, resources, env… */
  job: mappingOrNothing.default({}),
});

/** `experiment.yaml`: what it is, and the program that each trial run starts. */
export const experimentHead = z.strictObject({
  name,
  id: z.union([z.string().min(1).max(250), z.int()]).optional(),
  desc: z.string().max(10_000).optional(),
  settings: mappingOrNothing.default({}),
  /** What seeds are derived from, with the names of trial and repeat. */
  seed: z.int().min(0).max(0x7fffffff).default(0),
  /** As `job` of a stage. */
  job: mapping,
  retry: mapping.optional(),
  timeout: z.union([z.string(), z.number()]).optional(),
});

/** One entry of `trials.yaml`. */
export const experimentTrial = z.strictObject({
  name,
  id: z.union([z.string().min(1).max(250), z.int()]).optional(),
  repeat: z.int().min(1).max(MAX_REPEATS).default(1),
  /** One for each repeat; derived, unless given. */
  seeds: z.array(z.int().min(0).max(0x7fffffff)).min(1).max(MAX_REPEATS).optional(),
  args: mappingOrNothing.default({}),
  settings: mappingOrNothing.default({}),
  /** Lists by the path of a setting, such as `model.depth`: the trial is made once for each combination. */
  product: z
    .record(z.string().min(1).max(1000), z.array(jsonValue).min(1))
    .refine((value) => Object.keys(value).length <= MAX_LISTS, {
      message: `a product has at most ${MAX_LISTS} lists`,
    })
    .optional(),
});

export const experimentBase = mappingOrNothing;
export const experimentTrials = z.array(experimentTrial).min(1, 'an experiment needs at least one trial');

export type ExperimentEnv = z.infer<typeof experimentEnv>;
export type ExperimentHead = z.infer<typeof experimentHead>;
export type ExperimentTrial = z.infer<typeof experimentTrial>;

/** What the four files say. */
export interface ExperimentFiles {
  readonly env: ExperimentEnv;
  readonly experiment: ExperimentHead;
  readonly base: Readonly<Record<string, JsonValue>>;
  readonly trials: readonly ExperimentTrial[];
}

const label = z.union([z.string(), z.int()]).nullable();

/** The effective config of one run of a trial: the params of its program. */
export const trialConfig = z.object({
  experiment: z.object({ name: z.string(), id: label, desc: z.string().nullable(), settings: mapping }),
  trial: z.object({ name: z.string(), id: label }),
  /** Counts from 0. */
  repeat: z.int(),
  /** 0 to 2^31 - 1. */
  seed: z.int(),
  device: z.string(),
  verbose: z.boolean(),
  debug: z.boolean(),
  args: mapping,
  settings: mapping,
  trackers: z.array(typed),
  /** Directory for what the experiment leaves, relative to that of its files. */
  workspace: z.string(),
});
export type TrialConfig = z.infer<typeof trialConfig>;
