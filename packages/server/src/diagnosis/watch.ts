import {
  type DiagnosisPlan,
  type DiagnosisRule,
  FINDING_ACTIONS,
  type FindingAction,
  type FindingSeverity,
} from '@trainyard/protocol';
import { explains } from './explanations.ts';
import { findingAction, rankOf } from './finding.ts';
import type { MetricRole } from './metric-role.ts';
import type { Detector, Evidence, Trouble, Verdict } from './rule.ts';
import type { PointRule } from './rules.ts';

/** What is wrong now. */
export interface Found {
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
  | (Pick<Found, 'rule' | 'key' | 'message' | 'evidence'> & {
      readonly change: 'closed';
      /** Of the point that ended it. */
      readonly step: number;
    });

const NOTHING: readonly FindingChange[] = [];

/** A rule on one group of series: what is wrong there, and what of it is told. */
export class Watch {
  readonly rule: PointRule;
  readonly key: string;
  readonly detector: Detector;
  readonly series = new Map<string, MetricRole>();
  readonly #plan: DiagnosisPlan;
  readonly #causes = new Set<Watch>();
  readonly #effects = new Set<Watch>();
  #trouble: Trouble | undefined;
  #lastTrouble: Trouble | undefined;
  #found: { readonly severity: FindingSeverity; readonly action: FindingAction } | undefined;
  #toldMessage = '';

  constructor(plan: DiagnosisPlan, rule: PointRule, key: string, detector: Detector) {
    this.#plan = plan;
    this.rule = rule;
    this.key = key;
    this.detector = detector;
  }

  /** To be called with all others whenever one of the two has got a series. */
  link(other: Watch): void {
    if (explains(this, other)) {
      this.#effects.add(other);
      other.#causes.add(this);
    }
    if (explains(other, this)) {
      other.#effects.add(this);
      this.#causes.add(other);
    }
  }

  /** @returns what there is to tell, of this and of all that explain it or are explained by it */
  judge(verdict: Verdict, step: number): readonly FindingChange[] {
    const before = this.#trouble?.severity ?? null;
    this.#trouble = verdict.severity === null ? undefined : verdict;
    this.#lastTrouble = this.#trouble ?? this.#lastTrouble;
    if (before === verdict.severity) return NOTHING;
    return [...this.#around()].flatMap((watch) => watch.#change(step) ?? []);
  }

  get isOpen(): boolean {
    return this.#found !== undefined;
  }

  /** What is told of it, as it is after the newest point. */
  get found(): Found | undefined {
    const trouble = this.#trouble;
    if (this.#found === undefined || trouble === undefined) return undefined;
    const { rule, key } = this;
    const also = this.#explained().map(
      (watch) => `${watch.rule} (${watch.#trouble!.severity}) of ${watch.key}`,
    );
    const more = also.length === 0 ? '' : ` It explains: ${also.join(', ')}.`;
    return { rule, key, ...this.#found, message: trouble.message() + more, evidence: trouble.evidence };
  }

  /** The same, if it is not what was told last. */
  takeNews(): Found | undefined {
    const { found } = this;
    if (found === undefined || found.message === this.#toldMessage) return undefined;
    this.#toldMessage = found.message;
    return found;
  }

  #change(step: number): FindingChange | undefined {
    const cause = this.#trouble && this.#cause();
    if (this.#trouble === undefined || cause !== undefined) {
      if (this.#found === undefined) return undefined;
      this.#found = undefined;
      this.#toldMessage = '';
      const { rule, key } = this;
      const { message, evidence } = this.#lastTrouble!;
      const why =
        cause === undefined ? `It was over at step ${step}.` : `${cause.rule} of ${cause.key} explains it.`;
      return { change: 'closed', rule, key, step, message: `${message()} ${why}`, evidence };
    }
    const before = this.#found;
    this.#found = this.#worst();
    if (before !== undefined && !isWorse(this.#found, before)) {
      this.#found = before;
      return undefined;
    }
    const found = this.found!;
    this.#toldMessage = found.message;
    return { change: before === undefined ? 'opened' : 'worsened', ...found };
  }

  /** What it explains is not told by itself, so that what it is worth goes into what explains it. */
  #worst(): { readonly severity: FindingSeverity; readonly action: FindingAction } {
    let worst = this.#found;
    for (const { rule, severity } of [this, ...this.#explained()].map((watch) => ({
      rule: watch.rule,
      severity: watch.#trouble!.severity,
    }))) {
      const action = findingAction(this.#plan, rule, severity);
      worst = {
        severity:
          worst !== undefined && rankOf(worst.severity) > rankOf(severity) ? worst.severity : severity,
        action: worst !== undefined && orderOf(worst.action) > orderOf(action) ? worst.action : action,
      };
    }
    return worst!;
  }

  /** What explains what is wrong here, if anything does, and is not explained itself. */
  #cause(): Watch | undefined {
    for (const cause of this.#causes) if (cause.#trouble !== undefined) return cause.#cause() ?? cause;
    return undefined;
  }

  #explained(): Watch[] {
    return [...reach(this, (watch) => [...watch.#effects].filter((effect) => effect.#trouble))].slice(1);
  }

  #around(): ReadonlySet<Watch> {
    return reach(this, (watch) => [...watch.#causes, ...watch.#effects]);
  }
}

function reach(from: Watch, next: (watch: Watch) => readonly Watch[]): ReadonlySet<Watch> {
  const reached = new Set([from]);
  // A set that grows while it is gone through is gone through to its end.
  for (const watch of reached) for (const each of next(watch)) reached.add(each);
  return reached;
}

function isWorse(
  now: { readonly severity: FindingSeverity; readonly action: FindingAction },
  before: { readonly severity: FindingSeverity; readonly action: FindingAction },
): boolean {
  return rankOf(now.severity) > rankOf(before.severity) || orderOf(now.action) > orderOf(before.action);
}

function orderOf(action: FindingAction): number {
  return FINDING_ACTIONS.indexOf(action);
}
