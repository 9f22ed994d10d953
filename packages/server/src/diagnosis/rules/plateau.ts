import type { RuleParameters } from '@trainyard/protocol';
import { eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';
import { medianOfLast, ValueWindow } from '../window.ts';

/** Points whose median goes into the level: a single spike does not reach it. */
const RECENT = 5;
/** The level follows over this part of the points so far: later points are more, and each says less. */
const SMOOTHED_PART = 0.1;
/** A loss that has fallen to this part of where it began has no more to win. */
const NOTHING_LEFT = 0.001;
/** What was found is over when the level is better by so many times as much: one at the limit must not flicker. */
const OVER = 2;

/**
 * The loss has stopped to fall: neither its best value nor its level gets better. By the best alone one lucky
 * value would hide all that is learnt after it.
 */
export const plateau: Rule<RuleParameters<'plateau'>> = {
  roles: ['training_loss', 'validation_loss'],
  groupsOf: eachKeyAlone,
  start({ patience, minImprovement, share }, rate) {
    const seen = new ValueWindow(RECENT);
    const isBetter = (value: number, than: number, times = 1): boolean =>
      than - value > times * minImprovement * Math.abs(than);
    let count = 0;
    let [level, bestLevel, begin] = [0, 0, 0];
    let best: RolePoint | undefined;
    let better: RolePoint | undefined;
    let withoutBetter = 0;
    let isOpen = false;
    let restarts = 0;
    let afterRestart = patience;
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        seen.add(point.value);
        count += 1;
        const now = medianOfLast(seen, seen.length);
        level += (now - level) / Math.max(1, SMOOTHED_PART * count);
        if (count <= RECENT) begin = now;
        if (rate.restarts !== restarts) [restarts, afterRestart] = [rate.restarts, 0];
        else afterRestart += 1;
        // A learning rate that was put up again lifts the loss; it gets better from there.
        const isBegin = best === undefined || afterRestart < patience;
        if (isBegin) level = now;
        const isBest = isBegin || isBetter(point.value, best!.value);
        if (isBest) best = point;
        const isLevelBetter = isBegin || isBetter(level, bestLevel, isOpen ? OVER : 1);
        if (isLevelBetter) bestLevel = level;
        // A lucky value does not end what was found.
        if (isLevelBetter || (isBest && !isOpen) || best === undefined || better === undefined) {
          better = point;
          withoutBetter = 0;
          isOpen = false;
          return HEALTHY;
        }
        withoutBetter += 1;
        // What is learnt in fifty steps of ten is much, in fifty of a million it is nothing.
        if (withoutBetter < patience || point.step - better.step < share * point.step) return undefined;
        isOpen = Math.abs(best.value) > NOTHING_LEFT * Math.abs(begin);
        if (!isOpen) return HEALTHY;
        const [from, points] = [best, withoutBetter];
        return {
          severity: 'medium',
          message: () =>
            `${point.key} has not got better by ${readable(minImprovement * 100)} % for ${points} points: ${readable(from.value)} at step ${from.step} is still the best.`,
          evidence: {
            firstStep: better.step,
            lastStep: point.step,
            firstTime: better.time,
            lastTime: point.time,
          },
        };
      },
    };
  },
};
