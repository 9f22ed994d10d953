import type { RuleParameters } from '@trainyard/protocol';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';
import { mean, SlidingWindow } from '../window.ts';

/** Below this a reward is nothing that could collapse. */
const LEAST_REWARD = 1e-8;

/** The reward fell by a large part within a few points: ends of the window are compared, each as a mean. */
export const rewardCollapse: Rule<RuleParameters<'reward_collapse'>> = {
  roles: ['reward'],
  groupOf: eachKeyAlone,
  start({ window, drop, severeDrop }) {
    const seen = new SlidingWindow<RolePoint>(window);
    const end = Math.max(1, Math.floor(window / 4));
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        seen.add(point);
        if (!seen.isFull) return undefined;
        const points = seen.slice();
        const before = mean(points.slice(0, end).map(({ value }) => value));
        const now = mean(points.slice(-end).map(({ value }) => value));
        if (Math.abs(before) < LEAST_REWARD) return HEALTHY;
        const fallen = (before - now) / Math.abs(before);
        if (fallen <= drop) return HEALTHY;
        const first = points[0]!;
        return {
          severity: fallen > severeDrop ? 'critical' : 'high',
          message: () =>
            `${point.key} fell by ${readable(fallen * 100)} % within ${points.length} points, from ${readable(before)} to ${readable(now)}.`,
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
