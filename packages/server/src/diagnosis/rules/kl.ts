import type { FindingSeverity, RuleParameters } from '@trainyard/protocol';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';

/** The policy runs away from its reference. */
export const kl: Rule<RuleParameters<'kl'>> = {
  roles: ['kl'],
  groupOf: eachKeyAlone,
  start({ threshold }) {
    let first: RolePoint | undefined;
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        const severity = severityOf(point.value / threshold);
        if (severity === null) {
          first = undefined;
          return HEALTHY;
        }
        first ??= point;
        return {
          severity,
          message: () =>
            `${point.key} is ${readable(point.value)} at step ${point.step}, above its limit of ${readable(threshold)}.`,
          evidence: {
            firstStep: first.step,
            lastStep: point.step,
            firstTime: first.time,
            lastTime: point.time,
          },
        };
      },
    };
  },
};

function severityOf(ratio: number): FindingSeverity | null {
  if (ratio > 2) return 'critical';
  if (ratio > 1.5) return 'high';
  return ratio > 1 ? 'medium' : null;
}
