import type { DiagnosisRule, RuleParameters } from '@trainyard/protocol';
import type { Rule } from './rule.ts';
import { diverging } from './rules/diverging.ts';
import { gpuIdle, gpuMemoryGrowth, loaderBound } from './rules/hardware.ts';
import { kl } from './rules/kl.ts';
import { nonFinite } from './rules/non-finite.ts';
import { overfit } from './rules/overfit.ts';
import { plateau } from './rules/plateau.ts';
import { rewardCollapse } from './rules/reward-collapse.ts';

/** Rules that judge points as they come. `stalled` judges their absence and is asked by the clock. */
export type PointRule = Exclude<DiagnosisRule, 'stalled'>;

export const POINT_RULES: { readonly [R in PointRule]: Rule<RuleParameters<R>> } = {
  non_finite: nonFinite,
  diverging,
  kl,
  reward_collapse: rewardCollapse,
  plateau,
  overfit,
  gpu_idle: gpuIdle,
  gpu_memory_growth: gpuMemoryGrowth,
  loader_bound: loaderBound,
};
