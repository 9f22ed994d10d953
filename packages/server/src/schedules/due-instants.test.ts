import { type CatchUpPolicy, type OverlapPolicy, SCHEDULE_LIMITS } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DueSchedule, decideDue, jitterOf } from './due-instants.ts';
import { cronOccurrences, everyOccurrences, occurrencesBetween } from './occurrences.ts';

const MINUTE = 60_000;
const START = Date.parse('2026-03-28T12:00:00Z');
const every5 = cronOccurrences('*/5 * * * *', 'Europe/Berlin');

const schedule = (change: Partial<DueSchedule> = {}): DueSchedule => ({
  id: 'sch_1',
  catchUp: 'latest',
  overlap: 'allow',
  jitterMs: 0,
  endAtMs: null,
  nextAtMs: START,
  open: 0,
  waiting: 0,
  ...change,
});
const started = (decision: ReturnType<typeof decideDue>) =>
  decision.launches.filter(({ state }) => state === 'waiting').map(({ atMs }) => (atMs - START) / MINUTE);
/** An hour of downtime: 13 instants, all but the last one missed. */
const afterAnHour = (change: Partial<DueSchedule>) =>
  decideDue(schedule(change), every5, START + 60 * MINUTE);

describe('the decision about due instants', () => {
  it('runs an instant at its time and goes on to the next', () => {
    expect(decideDue(schedule(), every5, START - 1)).toEqual({ launches: [], nextAtMs: START });
    expect(decideDue(schedule(), every5, START)).toEqual({
      launches: [{ atMs: START, state: 'waiting', reason: null }],
      nextAtMs: START + 5 * MINUTE,
    });
  });

  it('catches up by policy', () => {
    expect(started(afterAnHour({ catchUp: 'none' }))).toEqual([60]);
    expect(started(decideDue(schedule({ catchUp: 'none' }), every5, START + 62 * MINUTE))).toEqual([]);
    expect(started(decideDue(schedule({ catchUp: 'latest' }), every5, START + 62 * MINUTE))).toEqual([60]);
    expect(started(afterAnHour({ catchUp: 'all' }))).toHaveLength(13);
  });

  it('says of each instant why it was left out', () => {
    const { launches } = afterAnHour({ catchUp: 'latest' });
    expect(launches).toHaveLength(13);
    expect(launches[0]?.reason).toMatch(/only the latest is caught up/);
    expect(afterAnHour({ overlap: 'skip', open: 1 }).launches.at(-1)).toMatchObject({
      state: 'skipped',
      reason: 'an earlier run of the schedule had not ended',
    });
  });

  it('passes over what is older than the limit, and says so once', () => {
    const nowMs = START + 5000 * MINUTE;
    const { launches, nextAtMs } = decideDue(schedule({ catchUp: 'all' }), every5, nowMs);
    expect(launches).toHaveLength(SCHEDULE_LIMITS.catchUp + 1);
    expect(launches[0]).toMatchObject({
      atMs: START,
      state: 'skipped',
      reason: expect.stringMatching(/at most 100/),
    });
    expect(nextAtMs).toBe(nowMs + 5 * MINUTE);
  });

  it('starts one of several where runs must not overlap', () => {
    expect(started(afterAnHour({ catchUp: 'all', overlap: 'skip' }))).toEqual([0]);
    expect(started(afterAnHour({ catchUp: 'all', overlap: 'skip', open: 1 }))).toEqual([]);
    expect(started(afterAnHour({ catchUp: 'all', overlap: 'queue', waiting: 95 }))).toHaveLength(5);
  });

  it('ends with the end of the schedule', () => {
    const decision = afterAnHour({ catchUp: 'all', endAtMs: START + 10 * MINUTE });
    expect(started(decision)).toEqual([0, 5, 10]);
    expect(decision.nextAtMs).toBeNull();
  });

  it('delays an instant by its jitter, always the same', () => {
    const jittered = schedule({ jitterMs: 4 * MINUTE });
    const delay = jitterOf(jittered, START);
    expect(decideDue(jittered, every5, START + delay - 1).launches).toEqual([]);
    expect(started(decideDue(jittered, every5, START + delay))).toEqual([0]);
  });

  it('gets somewhere also where the jitter is longer than many instants', () => {
    const jittered = schedule({ catchUp: 'all', jitterMs: 86_400_000 });
    let state = jittered;
    let decided = 0;
    for (let nowMs = START; nowMs < START + 3 * 86_400_000; nowMs += 3 * 3_600_000) {
      const { launches, nextAtMs } = decideDue(state, every5, nowMs);
      decided += launches.length;
      state = { ...state, nextAtMs: nextAtMs! };
    }
    expect(decided).toBeGreaterThan(200);
    expect(START + 3 * 86_400_000 - state.nextAtMs).toBeLessThan(2 * 86_400_000);
  });

  it('decides about every instant once, whenever it is asked', () => {
    const catchUp = fc.constantFrom<CatchUpPolicy>('none', 'latest', 'all');
    const overlap = fc.constantFrom<OverlapPolicy>('allow', 'skip', 'queue', 'cancel_running');
    const gaps = fc.array(
      fc.oneof(fc.integer({ min: 1, max: MINUTE }), fc.integer({ min: 1, max: 8 * 60 * MINUTE })),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(catchUp, overlap, gaps, fc.integer({ min: 0, max: 10 * MINUTE }), (...args) => {
        const [policy, overlapPolicy, pauses, jitterMs] = args;
        const steps = everyOccurrences(START, 5 * MINUTE, 'UTC');
        let state = schedule({ catchUp: policy, overlap: overlapPolicy, jitterMs });
        let nowMs = START;
        const decided: number[] = [];
        for (const pauseMs of pauses) {
          nowMs += pauseMs;
          const decision = decideDue(state, steps, nowMs);
          for (const { atMs, state: launch } of decision.launches) {
            expect(atMs + jitterOf(state, atMs)).toBeLessThanOrEqual(nowMs);
            if (policy === 'all' && overlapPolicy === 'allow') expect(launch).toBe('waiting');
            if (policy === 'none' && nowMs - atMs > jitterMs + SCHEDULE_LIMITS.lateMs) {
              expect(launch).toBe('skipped');
            }
            decided.push(atMs);
          }
          if (overlapPolicy === 'skip') expect(started(decision).length).toBeLessThanOrEqual(1);
          // The same question has the same answer; asked again after the answer was stored, there is nothing new.
          expect(decideDue(state, steps, nowMs)).toEqual(decision);
          state = { ...state, nextAtMs: decision.nextAtMs! };
          expect(decideDue(state, steps, nowMs).launches).toEqual([]);
        }
        const all = occurrencesBetween(steps, START, state.nextAtMs, 10_000);
        expect(decided).toEqual(all);
      }),
      { numRuns: 200 },
    );
  });
});
