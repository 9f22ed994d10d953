import type { RuleParameters } from '@trainyard/protocol';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';

/** A loss that is no number any more: nothing learnt from there on is worth anything. */
export const nonFinite: Rule<RuleParameters<'non_finite'>> = {
  roles: ['training_loss', 'validation_loss', 'partial_loss'],
  groupOf: eachKeyAlone,
  start({ window }) {
    let first: RolePoint | undefined;
    let last: RolePoint | undefined;
    return {
      take(point) {
        if (!Number.isFinite(point.value)) {
          first ??= point;
          last = point;
        }
        if (first === undefined || last === undefined) return undefined;
        if (point.step - last.step >= window) {
          first = undefined;
          return HEALTHY;
        }
        const [from, to] = [first, last];
        return {
          severity: 'critical',
          message: () => `${point.key} is ${readable(to.value)} at step ${to.step}${since(from, to)}.`,
          evidence: {
            firstStep: first.step,
            lastStep: last.step,
            firstTime: first.time,
            lastTime: last.time,
          },
        };
      },
    };
  },
};

function since(first: RolePoint, last: RolePoint): string {
  return first.step === last.step ? '' : `, for the first time at step ${first.step}`;
}
