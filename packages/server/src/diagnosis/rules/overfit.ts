import type { RuleParameters } from '@trainyard/protocol';
import { lossFamily } from '../metric-role.ts';
import { HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';

/** Off its best by this part, the validation loss makes it high instead of medium. */
const HIGH_ABOVE_BEST = 0.25;

/** The validation loss gets worse while the training loss gets better. */
export const overfit: Rule<RuleParameters<'overfit'>> = {
  roles: ['validation_loss', 'training_loss'],
  groupOf: ({ key }) => lossFamily(key),
  named: ({ validation, training }) => ({
    ...(validation && { validation_loss: validation }),
    ...(training && { training_loss: training }),
  }),
  start({ patience, delta, ratio }) {
    let training: number | undefined;
    let best: { point: RolePoint; training: number | undefined } | undefined;
    let worse = 0;
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        if (point.role === 'training_loss') {
          training = point.value;
          return undefined;
        }
        if (best === undefined || point.value < best.point.value) {
          best = { point, training };
          worse = 0;
          return HEALTHY;
        }
        worse = point.value > best.point.value + delta * Math.abs(best.point.value) ? worse + 1 : 0;
        if (worse < patience) return worse === 0 ? HEALTHY : undefined;
        if (training === undefined || best.training === undefined || training > best.training) {
          return HEALTHY;
        }
        if (point.value - training <= ratio * Math.abs(training)) return HEALTHY;
        const [from, trained, now] = [best.point, best.training, training];
        const off = (point.value - best.point.value) / Math.max(Math.abs(best.point.value), Number.EPSILON);
        return {
          severity: off > HIGH_ABOVE_BEST ? 'high' : 'medium',
          message: () =>
            `${point.key} got worse from ${readable(from.value)} at step ${from.step} to ${readable(point.value)}, while the training loss went from ${readable(trained)} to ${readable(now)}.`,
          evidence: {
            firstStep: best.point.step,
            lastStep: point.step,
            firstTime: best.point.time,
            lastTime: point.time,
          },
        };
      },
    };
  },
};
