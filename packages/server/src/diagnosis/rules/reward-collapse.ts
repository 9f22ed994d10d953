import type { RuleParameters } from '@trainyard/protocol';
import { type Level, LevelWindow } from '../level-window.ts';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';

/** Below this a reward is nothing that could collapse. */
const LEAST_REWARD = 1e-8;
/** A level counts as held only as far as it is sure by so many standard errors: one lucky stretch is none. */
const SURE_ERRORS = 3;
/** A few points have to fall by so many times as many errors as all of the window. */
const QUICK = 1.25;
/** Of rewards that range widely around zero, a fall is a part of this share of their range: -1 to -2 is no collapse. */
const SHARE_OF_RANGE = 0.25;

interface Best extends Level {
  readonly point: RolePoint;
  readonly sure: number;
  /** What a fall is a part of. */
  readonly scale: number;
}

/**
 * The reward lost a large part of the best level that it had held, beyond what its noise explains. That level is
 * kept for as long as the reward stays low, however long ago it was.
 */
export const rewardCollapse: Rule<RuleParameters<'reward_collapse'>> = {
  roles: ['reward'],
  groupsOf: eachKeyAlone,
  start({ window, drop, severeDrop, recovery, zScore }) {
    const end = Math.max(1, Math.floor(window / 4));
    const seen = new LevelWindow(end, window);
    let best: Best | undefined;
    let bottom = Number.POSITIVE_INFINITY;
    /** Of an open finding: the lowest that it was. */
    let low: { readonly value: number; readonly point: RolePoint } | undefined;

    const isFall = (from: Best, to: Level, errors: number): boolean => {
      const fall = from.value - to.value;
      return fall > drop * from.scale && fall > errors * Math.hypot(from.error, to.error);
    };

    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        seen.add(point.value);
        if (seen.length < end) return undefined;
        const [short, long] = [seen.short, seen.long];
        bottom = Math.min(bottom, long.value);
        best = better(best, long, point, bottom);
        if (seen.length < window || best === undefined || best.scale < LEAST_REWARD) return undefined;
        const isBack = best.sure - long.value <= drop * (1 - recovery) * best.scale;
        const isLow = low !== undefined || isFall(best, short, QUICK * zScore) || isFall(best, long, zScore);
        if (isBack || !isLow) {
          low = undefined;
          return HEALTHY;
        }
        const now = Math.abs(best.value - short.value) > drop * best.scale ? short : long;
        if (low === undefined || now.value < low.value) low = { value: now.value, point };
        const [from, lowest] = [best, low];
        return {
          severity: best.value - now.value > severeDrop * best.scale ? 'critical' : 'high',
          message: () => told(from, now.value, point, lowest),
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

function better(best: Best | undefined, level: Level, point: RolePoint, bottom: number): Best | undefined {
  const sure = level.value - SURE_ERRORS * level.error;
  if (!Number.isFinite(sure) || (best !== undefined && sure < best.sure)) return best;
  const scale = Math.max(Math.abs(level.value), SHARE_OF_RANGE * (level.value - bottom));
  return { ...level, point, sure, scale };
}

function told(
  from: Best,
  now: number,
  { key, step }: RolePoint,
  low: { readonly value: number; readonly point: RolePoint },
): string {
  // A part of something below zero says nothing to anybody.
  const part = from.value > 0 ? ` by ${readable((100 * (from.value - low.value)) / from.value)} %` : '';
  const since = low.point.step === step ? '' : `; it is ${readable(now)} at step ${step}`;
  return `${key} fell${part}, from ${readable(from.value)} at step ${from.point.step} to ${readable(low.value)} at step ${low.point.step}${since}.`;
}
