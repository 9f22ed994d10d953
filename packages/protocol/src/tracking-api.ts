import { z } from 'zod';
import { numberCursor } from './page-cursor.ts';

/** Limits of searches and comparisons of tracked runs. */
export const TRACKING_API_LIMITS = {
  maxRows: 10_000,
  maxColumns: 200,
  maxCompared: 100,
  /** Keys of each kind that are offered to whoever writes a filter. */
  maxKeys: 1000,
} as const;

const filter = z.string().max(65_536);
const experimentIds = z.array(z.int().min(0)).max(1000);

export const searchTrackedRuns = z.strictObject({
  /** Left out: all experiments. */
  experimentIds: experimentIds.optional(),
  /** `metrics.loss < 0.5 AND (params.lr = '0.1' OR tags.team =~ '^v')` */
  filter: filter.optional(),
  /** `metrics.loss DESC` each. */
  orderBy: z.array(z.string().max(1000)).max(16).optional(),
  /** Fields as filters name them; `run_id` comes first, whether it is named or not. */
  columns: z.array(z.string().max(1000)).max(TRACKING_API_LIMITS.maxColumns).optional(),
  view: z.enum(['active', 'deleted', 'all']).optional(),
  limit: z.int().min(1).max(TRACKING_API_LIMITS.maxRows).optional(),
  cursor: numberCursor,
});
export type SearchTrackedRuns = z.input<typeof searchTrackedRuns>;

/** A table by columns, as data frames are made of: `pandas.DataFrame({c["name"]: c["values"] for c in columns})`. */
export const runTable = z.object({
  rows: z.int(),
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.enum(['text', 'number']),
      /** One for each row; null where the run has none. Not a number and the infinities are texts. */
      values: z.array(z.unknown()),
    }),
  ),
  nextCursor: z.string().nullable(),
});
export interface RunTable {
  readonly rows: number;
  readonly columns: readonly {
    readonly name: string;
    readonly type: 'text' | 'number';
    readonly values: readonly (number | string | null)[];
  }[];
  readonly nextCursor: string | null;
}

export const compareTrackedRuns = z.strictObject({
  runIds: z.array(z.string().max(256)).min(2).max(TRACKING_API_LIMITS.maxCompared),
});

const goal = z.enum(['min', 'max']);
const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);

export const runComparison = z.object({
  runs: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      experimentId: z.int(),
      status: z.string(),
      startedAt: z.iso.datetime(),
      endedAt: z.iso.datetime().nullable(),
    }),
  ),
  /** Those that differ come first. Values are in the order of the runs. */
  params: z.array(
    z.object({ key: z.string(), isDifferent: z.boolean(), values: z.array(z.string().nullable()) }),
  ),
  metrics: z.array(
    z.object({
      key: z.string(),
      /** Which way is better, as its name tells; null where it does not. */
      goal: goal.nullable(),
      /** Index of the run with the best value by that goal. */
      bestRun: z.int().nullable(),
      runs: z.array(
        z
          .object({
            last: number,
            lastStep: z.int(),
            min: z.number().nullable(),
            max: z.number().nullable(),
            /** The better of these by the goal, or the last value. */
            best: number,
            points: z.int(),
          })
          .nullable(),
      ),
    }),
  ),
});
export type RunComparison = z.infer<typeof runComparison>;

export const importanceQuery = z.strictObject({
  metric: z.string().min(1).max(500),
  experimentIds: experimentIds.optional(),
  filter: filter.optional(),
});
export type ImportanceQuery = z.input<typeof importanceQuery>;

export const paramImportance = z.object({
  metric: z.string(),
  /** Runs that have a finite value of it. */
  runs: z.int(),
  /** The most important first. */
  params: z.array(
    z.object({
      key: z.string(),
      kind: z.enum(['number', 'text']),
      runs: z.int(),
      distinctValues: z.int(),
      /** Share of the variance of the metric that groups of equal or near values explain: 0 to 1, corrected for chance. */
      explained: z.number(),
      /** Spearman's rank correlation, -1 to 1; null for texts. */
      rankCorrelation: z.number().nullable(),
    }),
  ),
});
export type ParamImportance = z.infer<typeof paramImportance>;

/** Fields that a filter of runs may name. */
export const searchFields = z.object({
  items: z.array(
    z.object({ text: z.string(), type: z.enum(['text', 'number']), comparators: z.array(z.string()) }),
  ),
});
