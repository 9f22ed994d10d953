import type { FindingSeverity, RuleParameters } from '@trainyard/protocol';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';

/** A KL that goes around its limit is one finding: it is over after so many points in a row that are not above it, … */
const CALM_POINTS = 10;
/** … or so many in a row that are well below, at most at this part of it. */
const FAR_POINTS = 3;
const FAR_BELOW = 0.8;

/** The policy runs away from its reference. */
export const kl: Rule<RuleParameters<'kl'>> = {
  roles: ['kl'],
  groupsOf: eachKeyAlone,
  start({ threshold }) {
    let open: { readonly first: RolePoint; readonly highest: RolePoint } | undefined;
    let [calm, far] = [0, 0];
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        const severity = severityOf(point.value / threshold);
        if (severity === null) {
          calm += 1;
          far = point.value <= FAR_BELOW * threshold ? far + 1 : 0;
          if (open !== undefined && calm < CALM_POINTS && far < FAR_POINTS) return undefined;
          open = undefined;
          return HEALTHY;
        }
        [calm, far] = [0, 0];
        const { first, highest } = open ?? { first: point, highest: point };
        const top = point.value > highest.value ? point : highest;
        open = { first, highest: top };
        const peak = top === point ? '' : `; its highest was ${readable(top.value)} at step ${top.step}`;
        return {
          severity,
          message: () =>
            `${point.key} is ${readable(point.value)} at step ${point.step}, above its limit of ${readable(threshold)}${peak}.`,
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
