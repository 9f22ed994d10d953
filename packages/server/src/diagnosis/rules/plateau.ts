import type { RuleParameters } from '@trainyard/protocol';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';

/** The loss has stopped to fall. Noise is no matter: only the best value counts. */
export const plateau: Rule<RuleParameters<'plateau'>> = {
  roles: ['training_loss', 'validation_loss'],
  groupOf: eachKeyAlone,
  start({ patience, minImprovement }) {
    let best: RolePoint | undefined;
    let withoutBetter = 0;
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        if (best === undefined || best.value - point.value > minImprovement * Math.abs(best.value)) {
          best = point;
          withoutBetter = 0;
          return HEALTHY;
        }
        withoutBetter += 1;
        if (withoutBetter < patience) return undefined;
        const [from, count] = [best, withoutBetter];
        return {
          severity: 'medium',
          message: () =>
            `${point.key} has not got better by ${readable(minImprovement * 100)} % for ${count} points: ${readable(from.value)} at step ${from.step} is still the best.`,
          evidence: {
            firstStep: best.step,
            lastStep: point.step,
            firstTime: best.time,
            lastTime: point.time,
          },
        };
      },
    };
  },
};
