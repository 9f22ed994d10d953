import type { DiagnosisPlan, DiagnosisRule, FindingAction, FindingSeverity } from '@trainyard/protocol';
import { findingAction, rankOf } from './finding.ts';
import { type MetricRole, metricRole } from './metric-role.ts';
import type { Detector, Evidence, Rule, Verdict } from './rule.ts';
import { POINT_RULES, type PointRule } from './rules.ts';

/** Points of one series, sorted by step. `times` are epoch milliseconds. */
interface SeriesPoints {
  readonly steps: ArrayLike<number>;
  readonly times: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** What is wrong now. */
interface Found {
  readonly rule: DiagnosisRule;
  /** The series; for rules over several, their group. */
  readonly key: string;
  readonly severity: FindingSeverity;
  readonly action: FindingAction;
  readonly message: string;
  readonly evidence: Evidence;
}

/** A finding has begun, has got worse or has ended. */
export type FindingChange =
  | (Found & { readonly change: 'opened' | 'worsened' })
  | {
      readonly change: 'closed';
      readonly rule: DiagnosisRule;
      readonly key: string;
      readonly step: number;
      readonly time: number;
    };

/** Points of a series that are enough to judge as if all had been seen: the largest window, and as many again. */
export const MAX_LOOK_BACK = 2000;
/** Most series that are watched in one run; later ones are left alone. */
const MAX_WATCHED_SERIES = 200;

interface Watch {
  readonly rule: PointRule;
  readonly key: string;
  readonly detector: Detector;
  found: Found | null;
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
    for (const { key, series, at } of inOrder(points, (key) => this.watches(key))) {
      for (const { role, watch } of this.#watchesOf(key)) {
        const [step, time, value] = [series.steps[at]!, series.times[at]!, series.values[at]!];
        const verdict = watch.detector.take({ role, key, step, time, value });
        const change = verdict && this.#changeOf(watch, verdict, { step, time });
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
    const { rule, key, found: before } = watch;
    if (before !== null && verdict.severity === null) {
      watch.found = null;
      return { change: 'closed', rule, key, step: point.step, time: point.time };
    }
    if (verdict.severity === null || rankOf(verdict.severity) <= rankOf(before?.severity ?? null))
      return undefined;
    const { severity, evidence } = verdict;
    const action = findingAction(this.#plan, rule, severity);
    watch.found = { rule, key, severity, action, message: verdict.message(), evidence };
    return { change: before === null ? 'opened' : 'worsened', ...watch.found };
  }

  /** What is wrong after the points so far. */
  get open(): Found[] {
    return [...this.#watches.values()].flatMap(({ found }) => found ?? []);
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
      watch = { rule: name, key: group, detector: rule.start(parameters), found: null };
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

interface Cursor {
  readonly key: string;
  readonly series: SeriesPoints;
  at: number;
}

/**
 * All points of the wanted series by step, then time: rules over two series see them as they were written. The same
 * object is given for each point, since there may be a million a second.
 */
function* inOrder(
  points: ReadonlyMap<string, SeriesPoints>,
  isWanted: (key: string) => boolean,
): Generator<Readonly<Cursor>> {
  const open: Cursor[] = [];
  for (const [key, series] of points) {
    if (series.steps.length > 0 && isWanted(key)) open.push({ key, series, at: 0 });
  }
  while (open.length > 0) {
    let first = open[0]!;
    for (let other = 1; other < open.length; other += 1) {
      if (isBefore(open[other]!, first)) first = open[other]!;
    }
    yield first;
    first.at += 1;
    if (first.at === first.series.steps.length) open.splice(open.indexOf(first), 1);
  }
}

function isBefore(a: Cursor, b: Cursor): boolean {
  const difference = a.series.steps[a.at]! - b.series.steps[b.at]!;
  return difference < 0 || (difference === 0 && a.series.times[a.at]! < b.series.times[b.at]!);
}
