import type { FindingSeverity } from '@trainyard/protocol';
import type { LearningRate } from './learning-rate.ts';
import type { MetricRole } from './metric-role.ts';

/** One point of a watched series. */
export interface RolePoint {
  readonly role: MetricRole;
  readonly key: string;
  readonly step: number;
  /** Epoch milliseconds. */
  readonly time: number;
  /** May be NaN or infinite. */
  readonly value: number;
}

/** Where on the curve it shows. Steps are training steps, times are epoch milliseconds. */
export interface Evidence {
  readonly firstStep: number;
  readonly lastStep: number;
  readonly firstTime: number;
  readonly lastTime: number;
}

/** What a detector thinks after a point: all is well, or something is wrong. */
export type Verdict = { readonly severity: null } | Trouble;

export interface Trouble {
  readonly severity: FindingSeverity;
  /** Called at any time, if at all: most verdicts say again what is known. It says what was so at its point. */
  readonly message: () => string;
  readonly evidence: Evidence;
}

export const HEALTHY: Verdict = { severity: null };

/** Watches one series (or one pair of series). Its memory is bounded by the rule's window. */
export interface Detector {
  /** @returns undefined when the point gives no reason to judge anew */
  take(point: RolePoint): Verdict | undefined;
}

/** A rule: which series it looks at, and how it judges them. */
export interface Rule<P> {
  readonly roles: readonly MetricRole[];
  /** Series whose points go to one detector together share a group; the key itself when each is judged alone. */
  groupsOf(point: Pick<RolePoint, 'role' | 'key'>, parameters: P): readonly string[];
  /** Keys that the parameters name for a role, in place of those found by their usual names. */
  named?(parameters: P): Partial<Record<MetricRole, readonly string[]>>;
  /** @param rate what the learning rates of the run told so far */
  start(parameters: P, rate: Pick<LearningRate, 'restarts'>): Detector;
}

export const eachKeyAlone = ({ key }: Pick<RolePoint, 'key'>): readonly string[] => [key];

/** A number as people read it: four digits that count. */
export function readable(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value);
}
