import { z } from 'zod';
import { duration } from './values.ts';

/** How bad a finding is, the mildest first. */
export const FINDING_SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export type FindingSeverity = (typeof FINDING_SEVERITIES)[number];

/** What a finding leads to: it is shown with the run, it is announced as well, or it also ends the job as failed. */
export const FINDING_ACTIONS = ['note', 'alert', 'stop'] as const;
export type FindingAction = (typeof FINDING_ACTIONS)[number];

/** Most points that a rule looks back at; it bounds the memory of a watched series. */
const MAX_WINDOW = 1000;

const points = (standard: number, least = 1) => z.int().min(least).max(MAX_WINDOW).default(standard);
const share = (standard: number) => z.number().min(0).max(1).default(standard);
const percent = (standard: number) => z.number().min(0).max(100).default(standard);
const factor = (standard: number) => z.number().min(0).max(1e6).default(standard);
const keyNames = z.array(z.string().min(1).max(250)).min(1).max(100);

const common = { action: z.enum(FINDING_ACTIONS).optional() };
/** Metric keys that the rule looks at, in place of those that it finds by their usual names. */
const watched = { ...common, keys: keyNames.optional() };

/** Every rule with its parameters and their defaults. Windows and patience are counted in points of the series. */
export const DIAGNOSIS_RULES = {
  /** NaN or infinite loss within the last `window` steps. */
  non_finite: z.strictObject({ ...watched, window: points(10) }),
  /** KL divergence above `threshold`: medium; above 1.5 times: high; above twice: critical. */
  kl: z.strictObject({ ...watched, threshold: z.number().positive().default(1) }),
  /**
   * No improvement of the loss, by its best or its level, by `minImprovement` (part of it) for `patience` points and
   * for `share` of the steps so far.
   */
  plateau: z.strictObject({
    ...watched,
    patience: points(50),
    minImprovement: share(0.01),
    share: share(0.2),
  }),
  /**
   * Mean reward lower than the best that it had held before by `drop` (high) or `severeDrop` (critical), and by
   * `zScore` errors of the two means. Over when `recovery` of `drop` is made up for, over `window` points.
   */
  reward_collapse: z.strictObject({
    ...watched,
    window: points(20, 4),
    drop: share(0.5),
    severeDrop: share(0.7),
    recovery: share(0.5),
    zScore: factor(8),
  }),
  /** Median of the last points above the best one by `rise` (part of it) and by `zScore` deviations of the window. */
  diverging: z.strictObject({ ...watched, window: points(50, 10), zScore: factor(6), rise: factor(0.5) }),
  /** Validation loss off its best by `delta` for `patience` points and above the training loss by `ratio`. */
  overfit: z.strictObject({
    ...common,
    validation: keyNames.optional(),
    training: keyNames.optional(),
    patience: points(5),
    delta: share(0.01),
    ratio: factor(0.1),
  }),
  /** Nothing new in the metrics for the longer of `after` and `intervals` times the usual distance of points. */
  stalled: z.strictObject({
    ...common,
    after: duration.default(1_800_000),
    intervals: z.number().min(1).max(10_000).default(10),
  }),
  /** 95th percentile of GPU utilisation below `utilization` percent, or 5th below `low` with a busy 95th. */
  gpu_idle: z.strictObject({
    ...watched,
    window: points(60, 10),
    utilization: percent(70),
    low: percent(10),
  }),
  /** GPU memory that grows through the whole `window`, by `growth` of what it was. */
  gpu_memory_growth: z.strictObject({ ...watched, window: points(60, 8), growth: factor(0.1) }),
  /** GPU below `gpu` percent while the processor is above `cpu` percent, in `share` of the window's points. */
  loader_bound: z.strictObject({
    ...common,
    window: points(60, 10),
    gpu: percent(10),
    cpu: percent(90),
    share: share(0.5),
  }),
} as const;

export type DiagnosisRule = keyof typeof DIAGNOSIS_RULES;
export type RuleParameters<R extends DiagnosisRule> = z.infer<(typeof DIAGNOSIS_RULES)[R]>;
export const DIAGNOSIS_RULE_NAMES = Object.keys(DIAGNOSIS_RULES) as DiagnosisRule[];

const rule = <R extends DiagnosisRule>(name: R) => z.union([z.boolean(), DIAGNOSIS_RULES[name]]).optional();

const diagnosisFields = z.strictObject({
  /** Findings that are at least so bad end the job as failed. */
  stopOn: z.enum([...FINDING_SEVERITIES, 'never']).optional(),
  rules: z
    .strictObject({
      non_finite: rule('non_finite'),
      kl: rule('kl'),
      plateau: rule('plateau'),
      reward_collapse: rule('reward_collapse'),
      diverging: rule('diverging'),
      overfit: rule('overfit'),
      stalled: rule('stalled'),
      gpu_idle: rule('gpu_idle'),
      gpu_memory_growth: rule('gpu_memory_growth'),
      loader_bound: rule('loader_bound'),
    } satisfies Record<DiagnosisRule, z.ZodType>)
    .default({}),
});

/** `diagnosis`: what is looked for in the metrics of a stage; `false`: nothing. */
export const diagnosis = z.union([z.boolean(), diagnosisFields]);
export type Diagnosis = z.infer<typeof diagnosis>;

/** What is looked for in the metrics of one stage, in full. A rule that is not there is off. */
export interface DiagnosisPlan {
  readonly stopOn: FindingSeverity | 'never';
  readonly rules: { readonly [R in DiagnosisRule]?: RuleParameters<R> };
}

/** A plan as it was stored, maybe by a version that did not have all the parameters. */
export function storedDiagnosisPlan({ stopOn, rules }: DiagnosisPlan): DiagnosisPlan {
  const whole = Object.entries(rules).map(([name, parameters]) => [
    name,
    DIAGNOSIS_RULES[name as DiagnosisRule].parse(parameters),
  ]);
  return { stopOn, rules: Object.fromEntries(whole) as DiagnosisPlan['rules'] };
}

/**
 * Reads what the pipeline and then the stage say, the later one winning rule by rule.
 * @param stopOn what holds where neither says it
 */
export function diagnosisPlan(
  said: readonly (Diagnosis | undefined)[],
  stopOn: DiagnosisPlan['stopOn'],
): DiagnosisPlan {
  const rules: Partial<Record<DiagnosisRule, unknown>> = {};
  for (const name of DIAGNOSIS_RULE_NAMES) rules[name] = DIAGNOSIS_RULES[name].parse({});
  for (const each of said) {
    if (each === undefined || each === true) continue;
    if (each === false) return { stopOn: 'never', rules: {} };
    stopOn = each.stopOn ?? stopOn;
    for (const [name, value] of Object.entries(each.rules) as [DiagnosisRule, unknown][]) {
      if (value === false) delete rules[name];
      else if (value === true) rules[name] ??= DIAGNOSIS_RULES[name].parse({});
      else if (value !== undefined) rules[name] = value;
    }
  }
  return { stopOn, rules: rules as DiagnosisPlan['rules'] };
}
