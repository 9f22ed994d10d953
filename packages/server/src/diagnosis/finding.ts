import {
  type DiagnosisPlan,
  type DiagnosisRule,
  FINDING_SEVERITIES,
  type FindingAction,
  type FindingSeverity,
} from '@trainyard/protocol';

/** Place of a severity in their order; -1 for none. */
export function rankOf(severity: FindingSeverity | null): number {
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
  if (plan.stopOn !== 'never' && rankOf(severity) >= rankOf(plan.stopOn)) return 'stop';
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
