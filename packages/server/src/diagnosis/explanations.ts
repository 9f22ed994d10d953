import { lossFamily, type MetricRole } from './metric-role.ts';
import type { PointRule } from './rules.ts';

/** What shows in several ways is told once: a finding that explains others is shown, and they are named with it. */
interface Explanation {
  readonly cause: PointRule;
  readonly effect: PointRule;
  /** `series`: the effect shows in a series that the cause looks at. `family`: in a loss that goes along with its. */
  readonly by: 'series' | 'family';
  /** By `family`: the loss is this to the cause. */
  readonly causeRole?: MetricRole;
  /** By `series`: it is this to the cause; by `family`: the other series is this to the effect. */
  readonly effectRole?: MetricRole;
}

/** Has no cycle: an effect is never the cause of what explains it. What is not here is told by itself. */
const EXPLANATIONS: readonly Explanation[] = [
  // Who learns the training data by heart gets no better on others, then worse.
  { cause: 'overfit', effect: 'diverging', by: 'series', effectRole: 'validation_loss' },
  { cause: 'overfit', effect: 'plateau', by: 'series', effectRole: 'validation_loss' },
  // What goes up does not get better.
  { cause: 'diverging', effect: 'plateau', by: 'series' },
  // What the training loss does, the validation loss cannot help.
  ...(['diverging', 'plateau'] as const).map(
    (rule) =>
      ({
        cause: rule,
        effect: rule,
        by: 'family',
        causeRole: 'training_loss',
        effectRole: 'validation_loss',
      }) as const,
  ),
  // A GPU that waits for data idles.
  { cause: 'loader_bound', effect: 'gpu_idle', by: 'series', effectRole: 'gpu_utilization' },
];

/** A rule together with the series that it looks at. */
export interface Watching {
  readonly rule: PointRule;
  readonly series: ReadonlyMap<string, MetricRole>;
}

/** Whether what one finds, if it does, explains what the other finds. */
export function explains(cause: Watching, effect: Watching): boolean {
  return EXPLANATIONS.some((each) => {
    if (each.cause !== cause.rule || each.effect !== effect.rule) return false;
    if (each.by === 'series')
      return inRole(cause.series, each.effectRole).some((key) => effect.series.has(key));
    const families = new Set(inRole(cause.series, each.causeRole).map(lossFamily));
    return inRole(effect.series, each.effectRole).some((key) => families.has(lossFamily(key)));
  });
}

function inRole(series: ReadonlyMap<string, MetricRole>, role: MetricRole | undefined): string[] {
  return [...series].flatMap(([key, own]) => (role === undefined || own === role ? [key] : []));
}
