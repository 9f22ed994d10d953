import {
  type DiagnosisPlan,
  type DiagnosisRule,
  FINDING_SEVERITIES,
  type FindingAction,
  type FindingSeverity,
} from '@trainyard/protocol';
import { type MetricRole, metricRole } from './metric-role.ts';
import type { Detector, Evidence, Rule, Verdict } from './rule.ts';
import { POINT_RULES, type PointRule } from './rules.ts';

/** Points of one series, sorted by step. `times` are epoch milliseconds. */
interface SeriesPoints {
  readonly steps: ArrayLike<number>;
  readonly times: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** A finding has begun, has got worse or has ended. */
export type FindingChange =
  | {
      readonly change: 'opened' | 'worsened';
      readonly rule: DiagnosisRule;
      /** The series; for rules over several, their group. */
      readonly key: string;
      readonly severity: FindingSeverity;
      readonly action: FindingAction;
      readonly message: string;
      readonly evidence: Evidence;
    }
  | {
      readonly change: 'closed';
      readonly rule: DiagnosisRule;
      readonly key: string;
      readonly step: number;
      readonly time: number;
    };

/** Most series that are watched in one run; later ones are left alone. */
export const MAX_WATCHED_SERIES = 200;

interface Watch {
  readonly rule: PointRule;
  readonly key: string;
  readonly detector: Detector;
  severity: FindingSeverity | null;
}

/**
 * Judges the metrics of one attempt as they arrive. Pure: what it says depends on the points and their
 * order alone. Memory is bounded by the windows of the rules and MAX_WATCHED_SERIES.
 */
export class RunDiagnosis {
  readonly #plan: DiagnosisPlan;
  readonly #rules: readonly PointRule[];
  readonly #watches = new Map<string, Watch>();
  readonly #byKey = new Map<string, readonly { role: MetricRole; watch: Watch }[]>();
  #watched = 0;

  constructor(plan: DiagnosisPlan) {
    this.#plan = plan;
    this.#rules = (Object.keys(POINT_RULES) as PointRule[]).filter((name) => plan.rules[name] !== undefined);
  }

  /** Whether any rule looks at this series. */
  watches(key: string): boolean {
    return this.#watchesOf(key).length > 0;
  }

  /**
   * Takes new points by key. Points of one series have to come in order; how they are cut into calls
   * changes nothing.
   */
  take(points: ReadonlyMap<string, SeriesPoints>): FindingChange[] {
    const changes: FindingChange[] = [];
    for (const { key, at, series } of inOrder(points, (key) => this.watches(key))) {
      const point = { key, step: series.steps[at]!, time: series.times[at]!, value: series.values[at]! };
      for (const { role, watch } of this.#watchesOf(key)) {
        const verdict = watch.detector.take({ ...point, role });
        const change = verdict && this.#changeOf(watch, verdict, point);
        if (change !== undefined) changes.push(change);
      }
    }
    return changes;
  }

  #changeOf(
    watch: Watch,
    verdict: Verdict,
    point: { step: number; time: number },
  ): FindingChange | undefined {
    const { rule, key, severity: before } = watch;
    if (before !== null && verdict.severity === null) {
      watch.severity = null;
      return { change: 'closed', rule, key, step: point.step, time: point.time };
    }
    if (verdict.severity === null || rank(verdict.severity) <= rank(before)) return undefined;
    watch.severity = verdict.severity;
    const { severity, message, evidence } = verdict;
    const action = findingAction(this.#plan, rule, severity);
    return {
      change: before === null ? 'opened' : 'worsened',
      rule,
      key,
      severity,
      action,
      message,
      evidence,
    };
  }

  #watchesOf(key: string): readonly { role: MetricRole; watch: Watch }[] {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const found =
      this.#watched < MAX_WATCHED_SERIES ? this.#rules.flatMap((rule) => this.#watch(rule, key)) : [];
    if (found.length > 0) this.#watched += 1;
    if (found.length > 0 || this.#byKey.size < MAX_REMEMBERED_KEYS) this.#byKey.set(key, found);
    return found;
  }

  #watch(name: PointRule, key: string): { role: MetricRole; watch: Watch }[] {
    // Each rule takes its own parameters; the table that pairs them is checked where it is written.
    const rule = POINT_RULES[name] as Rule<unknown>;
    const parameters: unknown = this.#plan.rules[name];
    const role = roleFor(rule, parameters, key);
    if (role === undefined) return [];
    const group = rule.groupOf({ role, key });
    const id = `${name} ${group}`;
    let watch = this.#watches.get(id);
    if (watch === undefined) {
      watch = { rule: name, key: group, detector: rule.start(parameters), severity: null };
      this.#watches.set(id, watch);
    }
    return [{ role, watch }];
  }
}

/** Keys that no rule wants are remembered so that their names are not tried again with each point. */
const MAX_REMEMBERED_KEYS = 10_000;

function roleFor(rule: Rule<unknown>, parameters: unknown, key: string): MetricRole | undefined {
  const named = rule.named?.(parameters) ?? onlyRoleNamed(rule, parameters);
  for (const [role, keys] of Object.entries(named)) if (keys.includes(key)) return role as MetricRole;
  const role = metricRole(key);
  return role !== undefined && rule.roles.includes(role) && !Object.hasOwn(named, role) ? role : undefined;
}

/** `keys` of a rule that looks at series one by one stands for all of its roles. */
function onlyRoleNamed(
  rule: Rule<unknown>,
  parameters: unknown,
): Partial<Record<MetricRole, readonly string[]>> {
  const { keys } = parameters as { readonly keys?: readonly string[] };
  if (keys === undefined) return {};
  return Object.fromEntries(rule.roles.map((role, at) => [role, at === 0 ? keys : []]));
}

/** All points of the wanted series by step, then time: rules over two series see them as they were written. */
function inOrder(points: ReadonlyMap<string, SeriesPoints>, isWanted: (key: string) => boolean) {
  const all: { key: string; at: number; series: SeriesPoints }[] = [];
  for (const [key, series] of points) {
    if (!isWanted(key)) continue;
    for (let at = 0; at < series.steps.length; at += 1) all.push({ key, at, series });
  }
  return all.sort(
    (a, b) => a.series.steps[a.at]! - b.series.steps[b.at]! || a.series.times[a.at]! - b.series.times[b.at]!,
  );
}

function rank(severity: FindingSeverity | null): number {
  return severity === null ? -1 : FINDING_SEVERITIES.indexOf(severity);
}

/** Rules whose findings somebody should hear of at once. The others are notes beside the curve. */
const ALERTS: ReadonlySet<DiagnosisRule> = new Set([
  'non_finite',
  'diverging',
  'kl',
  'reward_collapse',
  'stalled',
]);

/** What a finding leads to: what its rule says, else `stop` from `stopOn` on, else by the kind of rule. */
export function findingAction(
  plan: DiagnosisPlan,
  rule: DiagnosisRule,
  severity: FindingSeverity,
): FindingAction {
  const said = plan.rules[rule]?.action;
  if (said !== undefined) return said;
  if (plan.stopOn !== 'never' && rank(severity) >= rank(plan.stopOn)) return 'stop';
  return ALERTS.has(rule) ? 'alert' : 'note';
}

/** Points that each open finding takes from a health of 100. */
const PENALTIES: Readonly<Record<FindingSeverity, number>> = { critical: 50, high: 30, medium: 15, low: 5 };

/** How well a run is, 0 to 100, and in a word. @param open severities of its open findings */
export function healthOf(open: readonly FindingSeverity[]): {
  readonly score: number;
  readonly status: 'healthy' | 'warning' | 'critical';
} {
  const score = Math.max(0, 100 - open.reduce((sum, severity) => sum + PENALTIES[severity], 0));
  return { score, status: score >= 80 ? 'healthy' : score >= 50 ? 'warning' : 'critical' };
}

/**
 * Whether a run that should write metrics has stopped to do so.
 * @param quietMs since the last point (or the start, when there was none)
 * @param intervalMs usual distance of two points; undefined when fewer than two were seen
 */
export function isStalled(
  { after, intervals }: { readonly after: number; readonly intervals: number },
  quietMs: number,
  intervalMs: number | undefined,
): boolean {
  return quietMs > Math.max(after, intervals * (intervalMs ?? 0));
}
