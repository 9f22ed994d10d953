import type { RuleParameters } from '@trainyard/protocol';
import { NoiseWindow } from '../noise-window.ts';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';
import { medianOfLast } from '../window.ts';

/** Points whose median stands for "now", and for which it has to be up: a single spike is no divergence. */
const RECENT = 5;
/** So many times the rise at which it is found, it is critical, once it is not one that may still pass. */
const CRITICAL_RISE = 4;
/** A rise below this part of what was won since the begin is none, however small the loss has become. */
const SHARE_OF_GAIN = 0.05;
/** A curve that went up and came back may go up so many times as far, and stay for so many times as long, again. */
const SWING_RISE = 1.25;
const SWING_LENGTH = 2;

/** The loss goes up and stays up. */
export const diverging: Rule<RuleParameters<'diverging'>> = {
  roles: ['training_loss', 'validation_loss'],
  groupsOf: eachKeyAlone,
  start({ window, zScore, rise }, rate) {
    const seen = new NoiseWindow(window);
    let best: { readonly value: number; readonly point: RolePoint } | undefined;
    let begin: number | undefined;
    let highest = Number.NEGATIVE_INFINITY;
    let up = 0;
    let isOpen = false;
    /** The farthest and the longest that it was up and came back from. */
    const swing = { over: 0, points: 0 };
    let restarts = 0;
    let afterRestart = window;

    const comeBack = (): void => {
      if (best !== undefined && up > 0) {
        swing.over = Math.max(swing.over, highest - best.value);
        swing.points = Math.max(swing.points, up);
      }
      up = 0;
      isOpen = false;
      highest = Number.NEGATIVE_INFINITY;
    };

    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        seen.add(point.value);
        if (seen.values.length < RECENT * 2) return undefined;
        const now = medianOfLast(seen.values, RECENT);
        begin ??= now;
        if (rate.restarts !== restarts) [restarts, afterRestart] = [rate.restarts, 0];
        else afterRestart += 1;
        // A learning rate that was put up again lifts the loss; what it comes down to from there is the new best.
        const isRestarted = afterRestart < window && now <= begin * (1 + Math.sign(begin) * rise);
        if (best === undefined || now <= best.value || (isRestarted && !isOpen)) {
          comeBack();
          best = { value: now, point };
          return HEALTHY;
        }
        const over = now - best.value;
        // What was found stays until half of the way back: a curve at the limit must not flicker.
        const patience = isOpen ? 0.5 : 1;
        // Noise is worth computing only where the rise alone would do.
        const byRise = Math.max(rise * Math.abs(best.value), SHARE_OF_GAIN * (begin - best.value));
        const least = over > byRise * patience ? Math.max(byRise, zScore * seen.deviation()) : byRise;
        if (over <= least * patience) {
          comeBack();
          return HEALTHY;
        }
        up += 1;
        highest = Math.max(highest, now);
        const isSwing = over <= SWING_RISE * swing.over && up <= SWING_LENGTH * swing.points;
        if (up < RECENT || (isSwing && !isOpen)) return undefined;
        isOpen = true;
        const [from, top] = [best, highest];
        const isLasting = up >= window || now > begin;
        return {
          severity: over > CRITICAL_RISE * least && isLasting ? 'critical' : 'high',
          message: () => {
            const peak = top > now ? `; its highest was ${readable(top)}` : '';
            return `${point.key} went up from ${readable(from.value)} at step ${from.point.step} to ${readable(now)} at step ${point.step} (medians of ${RECENT} points)${peak}.`;
          },
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
