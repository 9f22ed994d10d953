import type { RuleParameters } from '@trainyard/protocol';
import { NoiseWindow } from '../noise-window.ts';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';
import { medianOfLast } from '../window.ts';

/** Points whose median stands for "now": a single spike is no divergence. */
const RECENT = 5;
/** So many times the rise at which it is found, it is critical. */
const CRITICAL_RISE = 4;

/** The loss goes up and stays up. */
export const diverging: Rule<RuleParameters<'diverging'>> = {
  roles: ['training_loss', 'validation_loss'],
  groupOf: eachKeyAlone,
  start({ window, zScore, rise }) {
    const seen = new NoiseWindow(window);
    let best: { value: number; point: RolePoint } | undefined;
    let isOpen = false;
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        seen.add(point.value);
        if (seen.values.length < RECENT * 2) return undefined;
        const now = medianOfLast(seen.values, RECENT);
        if (best === undefined || now <= best.value) {
          best = { value: now, point };
          isOpen = false;
          return HEALTHY;
        }
        const over = now - best.value;
        // What was found stays until half of the way back: a curve at the limit must not flicker.
        const patience = isOpen ? 0.5 : 1;
        // Noise is worth computing only where the rise alone would do.
        const byRise = rise * Math.abs(best.value);
        const least = over > byRise * patience ? Math.max(byRise, zScore * seen.deviation()) : byRise;
        isOpen = over > least * patience;
        if (!isOpen) return HEALTHY;
        const from = best;
        return {
          severity: over > CRITICAL_RISE * least ? 'critical' : 'high',
          message: () =>
            `${point.key} went up from ${readable(from.value)} at step ${from.point.step} to ${readable(now)} at step ${point.step} (medians of ${RECENT} points).`,
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
