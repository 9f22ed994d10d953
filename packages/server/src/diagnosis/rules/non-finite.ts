import type { RuleParameters } from '@trainyard/protocol';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';

/** Numbers in a row that it takes as well: where few steps are logged, one of them says nothing yet. */
const LEAST_FINITE = 3;

/** A loss, or what it is made of, that is no number any more: nothing learnt from there on is worth anything. */
export const nonFinite: Rule<RuleParameters<'non_finite'>> = {
  roles: ['training_loss', 'validation_loss', 'partial_loss', 'kl'],
  groupsOf: eachKeyAlone,
  start({ window }) {
    let first: RolePoint | undefined;
    let last: RolePoint | undefined;
    let count = 0;
    let finite = 0;
    return {
      take(point) {
        const isNumber = Number.isFinite(point.value);
        if (isNumber) finite += 1;
        else {
          first ??= point;
          last = point;
          count += 1;
          finite = 0;
        }
        if (first === undefined || last === undefined) return undefined;
        if (point.step - last.step >= window && finite >= LEAST_FINITE) {
          first = undefined;
          count = 0;
          return HEALTHY;
        }
        // Numbers that come after it change nothing of what is known.
        if (isNumber) return undefined;
        const [from, to, times] = [first, last, count];
        return {
          severity: 'critical',
          message: () => `${point.key} is ${readable(to.value)} at step ${to.step}${since(from, to, times)}.`,
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

function since(first: RolePoint, last: RolePoint, times: number): string {
  if (times === 1) return '';
  return first.step === last.step
    ? ` (${times} times)`
    : `, for the first time at step ${first.step} (${times} times)`;
}
