import { z } from 'zod';
import { earlyStopping, judged } from './early-stopping.ts';
import { DEFINITION_LIMITS } from './limits.ts';
import { identifier, jsonValue } from './values.ts';

const range = z
  .strictObject({
    min: z.number(),
    max: z.number(),
    /** `log`: equal factors are equally likely. */
    scale: z.enum(['linear', 'log']).default('linear'),
    integer: z.boolean().default(false),
    /** Values on the grid. */
    count: z.int().min(2).max(10_000).optional(),
  })
  .check(({ value: { min, max, scale, integer }, issues, value }) => {
    const fault = (key: string, message: string) =>
      issues.push({ code: 'custom', input: value, path: [key], message });
    if (max <= min) fault('max', `"max" is more than "min", which is ${min}`);
    for (const key of ['min', 'max'] as const)
      if (integer && !Number.isInteger(value[key]))
        fault(key, `the ends of a range of whole numbers are whole`);
    if (scale === 'log' && min <= 0) fault('min', `"min" of a logarithmic range is more than 0`);
  });
export type SweepRange = z.infer<typeof range>;

const choices = z.array(jsonValue).min(1).max(10_000);
const space = z.union([choices, range]);

/** A stage of kind `sweep`: one program with many settings. Before it is run it becomes a pipeline (docs/guides/sweeps.md). */
export const sweep = z
  .strictObject({
    params: z.record(identifier('a param'), space),
    /** All combinations, or so many at random. */
    method: z.enum(['grid', 'random']),
    samples: z.int().min(1).max(DEFINITION_LIMITS.maxExpandedRuns).optional(),
    /** The same seed gives the same settings. */
    seed: z.int().min(0).max(0x7fffffff).default(0),
    ...judged,
    /** Which value of each trial counts for the best. */
    of: z.enum(['last', 'best']).default('last'),
    maxParallel: z.int().min(1).max(DEFINITION_LIMITS.maxParallel).default(4),
    /** Ends trials that are worse than others were at the same step; `metric` and `goal` are those of the sweep. */
    earlyStopping: earlyStopping.omit({ metric: true, goal: true }).optional(),
    /** How many trials may fail: `any`: all but one. */
    failurePolicy: z
      .union([z.enum(['all', 'any']), z.strictObject({ maxFailures: z.int().min(0) })])
      .default('any'),
    /** The stage that is run for each, without name, dependencies and foreach. */
    trial: z.record(z.string(), jsonValue),
  })
  .check(({ value: { params, method, samples }, issues, value }) => {
    const fault = (path: (string | number)[], message: string) =>
      issues.push({ code: 'custom', input: value, path, message });
    if (Object.keys(params).length === 0) fault(['params'], 'a sweep needs at least one param');
    if (method === 'random' && samples === undefined)
      fault([], 'a random sweep says how many trials it has: "samples"');
    if (method === 'grid' && samples !== undefined)
      fault(['samples'], '"samples" is for a random sweep; a grid has all combinations');
    for (const [name, space] of Object.entries(params)) {
      if (method === 'grid' && !Array.isArray(space) && space.count === undefined)
        fault(['params', name], `a range on a grid says how many values it has: "count" of "${name}"`);
    }
  });
export type SweepDefinition = z.infer<typeof sweep>;

/** Keys of a sweep's trial that the sweep itself decides. */
export const NOT_OF_TRIALS = [
  'name',
  'dependsOn',
  'foreach',
  'triggerRule',
  'when',
  'hook',
  'earlyStopping',
] as const;
