import type { RuleParameters } from '@trainyard/protocol';
import { lossFamily } from '../metric-role.ts';
import { NoiseWindow } from '../noise-window.ts';
import { HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';
import { medianOfLast, ValueWindow } from '../window.ts';

/** Off its best by this part, the validation loss makes it high instead of medium. */
const HIGH_ABOVE_BEST = 0.25;
/** Validation points that noise is measured by. */
const NOISE_POINTS = 20;
/** So many deviations of its noise, too: after a lucky value all others are worse. */
const NOISES = 4;
/** Points whose median stands for a level of the validation loss, at its best and now. */
const BEST_POINTS = 3;
const RECENT = 5;
/** Training points before a validation point whose median stands for the training loss: one batch says little. */
const TRAINING_POINTS = 15;
/** What was found is over when this part of what led to it is left: a curve at the limit must not flicker. */
const PATIENCE = 0.5;

/** The validation loss gets worse while the training loss gets better. */
export const overfit: Rule<RuleParameters<'overfit'>> = {
  roles: ['validation_loss', 'training_loss'],
  groupsOf: ({ role, key }, { validation, training }) => {
    // Those that are named belong together, whatever their names have in common.
    if (role === 'validation_loss' && validation !== undefined) return [key];
    if (role === 'training_loss' && training !== undefined && validation !== undefined)
      return partners(key, training, validation);
    return [lossFamily(key)];
  },
  named: ({ validation, training }) => ({
    ...(validation && { validation_loss: validation }),
    ...(training && { training_loss: training }),
  }),
  start({ patience, delta, ratio }) {
    const training = new TrainingLoss();
    const seen = new NoiseWindow(Math.max(NOISE_POINTS, patience));
    let best: { readonly point: RolePoint; readonly training: number | undefined } | undefined;
    let bestLevel = Number.POSITIVE_INFINITY;
    let worse = 0;
    let isOpen = false;
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        if (point.role === 'training_loss') {
          training.add(point.value);
          return undefined;
        }
        seen.add(point.value);
        const trained = training.sinceAsked();
        if (best === undefined || point.value < best.point.value) best = { point, training: trained };
        const { values } = seen;
        bestLevel = Math.min(bestLevel, medianOfLast(values, Math.min(BEST_POINTS, values.length)));
        worse = point.value > bestLevel + delta * Math.abs(bestLevel) ? worse + 1 : 0;
        if (!isOpen && worse < patience) return worse === 0 ? HEALTHY : undefined;
        const now = medianOfLast(values, Math.min(RECENT, values.length));
        const part = isOpen ? PATIENCE : 1;
        const margin = Math.max(delta * Math.abs(bestLevel), NOISES * seen.deviation());
        isOpen =
          trained !== undefined &&
          best.training !== undefined &&
          now - bestLevel > margin * part &&
          // Once found, a training loss that only scatters does not end it.
          trained - best.training <= (isOpen ? delta * Math.abs(best.training) : 0) &&
          now - trained > ratio * part * Math.abs(trained);
        if (!isOpen) return HEALTHY;
        const from = best;
        const off = (now - from.point.value) / Math.max(Math.abs(from.point.value), Number.EPSILON);
        return {
          severity: off > HIGH_ABOVE_BEST ? 'high' : 'medium',
          message: () =>
            `${point.key} got worse from ${readable(from.point.value)} at step ${from.point.step} to ${readable(point.value)} at step ${point.step}, while the training loss went from ${readable(from.training!)} to ${readable(trained!)}.`,
          evidence: {
            firstStep: from.point.step,
            lastStep: point.step,
            firstTime: from.point.time,
            lastTime: point.time,
          },
        };
      },
    };
  },
};

/** Validation losses that a named training loss stands beside: the one at its place, or all where it is the only one. */
function partners(
  key: string,
  training: readonly string[],
  validation: readonly string[],
): readonly string[] {
  return validation.filter(
    (_, at) => training.length === 1 || training[Math.min(at, training.length - 1)] === key,
  );
}

/** The training loss between two points of the validation loss. */
class TrainingLoss {
  readonly #values = new ValueWindow(TRAINING_POINTS);
  #new = 0;
  #asked: number | undefined;

  add(value: number): void {
    this.#values.add(value);
    this.#new = Math.min(TRAINING_POINTS, this.#new + 1);
  }

  sinceAsked(): number | undefined {
    if (this.#new > 0) this.#asked = medianOfLast(this.#values, this.#new);
    this.#new = 0;
    return this.#asked;
  }
}
