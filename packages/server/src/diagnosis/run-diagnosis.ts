import type { DiagnosisPlan, DiagnosisRule } from '@trainyard/protocol';
import { LearningRate } from './learning-rate.ts';
import { isAnyDivergence, type MetricRole, metricRole } from './metric-role.ts';
import type { Rule } from './rule.ts';
import { POINT_RULES, type PointRule } from './rules.ts';
import { type FindingChange, type Found, Watch } from './watch.ts';

/** Points of one series, sorted by step. `times` are epoch milliseconds. */
interface SeriesPoints {
  readonly steps: ArrayLike<number>;
  readonly times: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** Points of a series that are enough to judge as if all had been seen: the largest window, and as many again. */
export const MAX_LOOK_BACK = 2000;
/** Most series that are watched in one run; later ones are left alone. */
const MAX_WATCHED_SERIES = 200;

/** A rule at a series. */
interface Looker {
  readonly role: MetricRole;
  readonly watch: Watch;
  /** It judges policies, and the name of the series does not say that it is of one. */
  readonly needsReward: boolean;
}

/** Who looks at a series. */
interface Lookers {
  readonly watches: readonly Looker[];
  readonly isRate: boolean;
  readonly isReward: boolean;
}

const NOBODY: Lookers = { watches: [], isRate: false, isReward: false };

/**
 * Judges the metrics of one attempt as they arrive. Pure: what it says depends on the points and their
 * order alone. Memory is bounded by the windows of the rules and MAX_WATCHED_SERIES.
 */
export class RunDiagnosis {
  readonly #plan: DiagnosisPlan;
  readonly #rules: readonly PointRule[];
  readonly #watches = new Map<string, Watch>();
  readonly #byKey = new Map<string, Lookers>();
  readonly #rate = new LearningRate();
  /** A reward was seen: what is trained is a policy. */
  #hasReward = false;
  #watched = 0;

  constructor(plan: DiagnosisPlan) {
    this.#plan = plan;
    this.#rules = (Object.keys(POINT_RULES) as PointRule[]).filter((name) => plan.rules[name] !== undefined);
  }

  /** Whether any rule looks at this series. */
  watches(key: string): boolean {
    const { watches, isRate, isReward } = this.#lookersAt(key);
    return isRate || isReward || watches.length > 0;
  }

  /**
   * Takes new points by key. Points of one series have to come in order; how they are cut into calls
   * changes nothing.
   */
  take(points: ReadonlyMap<string, SeriesPoints>): FindingChange[] {
    const changes: FindingChange[] = [];
    for (const { key, series, at } of inOrder(points, (key) => this.watches(key))) {
      const [step, time, value] = [series.steps[at]!, series.times[at]!, series.values[at]!];
      const { watches, isRate, isReward } = this.#lookersAt(key);
      this.#hasReward ||= isReward;
      if (isRate) this.#rate.take({ key, step, value });
      for (const { role, watch, needsReward } of watches) {
        if (needsReward && !this.#hasReward) continue;
        const verdict = watch.detector.take({ role, key, step, time, value });
        if (verdict !== undefined) for (const change of watch.judge(verdict, step)) changes.push(change);
      }
    }
    return changes;
  }

  /** Takes note of series of which points came before those that it is given. */
  knows(keys: Iterable<string>): void {
    for (const key of keys) this.#hasReward ||= this.#lookersAt(key).isReward;
  }

  /** What is wrong after the points so far. */
  get open(): Found[] {
    return [...this.#watches.values()].flatMap(({ found }) => found ?? []);
  }

  get hasOpen(): boolean {
    for (const watch of this.#watches.values()) if (watch.isOpen) return true;
    return false;
  }

  /** Of what is open, all of which something else is to be said than `take` or this said last. */
  takeNews(): Found[] {
    return [...this.#watches.values()].flatMap((watch) => watch.takeNews() ?? []);
  }

  /** The series that a finding is about. */
  seriesOf({ rule, key }: { readonly rule: DiagnosisRule; readonly key: string }): string[] {
    return [...(this.#watches.get(idOf(rule, key))?.series.keys() ?? [])];
  }

  #lookersAt(key: string): Lookers {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const watches =
      this.#watched < MAX_WATCHED_SERIES ? this.#rules.flatMap((rule) => this.#watch(rule, key)) : [];
    if (watches.length > 0) this.#watched += 1;
    const isRate = this.#plan.rules.diverging !== undefined && metricRole(key) === 'learning_rate';
    const isReward = this.#plan.rules.kl !== undefined && metricRole(key) === 'reward';
    const lookers = watches.length > 0 || isRate || isReward ? { watches, isRate, isReward } : NOBODY;
    if (lookers !== NOBODY || this.#byKey.size < MAX_REMEMBERED_KEYS) this.#byKey.set(key, lookers);
    return lookers;
  }

  #watch(name: PointRule, key: string): Looker[] {
    // Each rule takes its own parameters; the table that pairs them is checked where it is written.
    const rule = POINT_RULES[name] as Rule<unknown>;
    const parameters: unknown = this.#plan.rules[name];
    const role = roleFor(rule, parameters, key);
    if (role === undefined) return [];
    // A series that the user has named is meant.
    const { keys } = parameters as { readonly keys?: readonly string[] };
    const needsReward = name === 'kl' && keys === undefined && isAnyDivergence(key);
    return rule.groupsOf({ role, key }, parameters).map((group) => {
      const id = idOf(name, group);
      const watch =
        this.#watches.get(id) ?? new Watch(this.#plan, name, group, rule.start(parameters, this.#rate));
      watch.series.set(key, role);
      for (const other of this.#watches.values()) if (other !== watch) watch.link(other);
      this.#watches.set(id, watch);
      return { role, watch, needsReward };
    });
  }
}

function idOf(rule: DiagnosisRule, key: string): string {
  return `${rule} ${key}`;
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
