import type { OverlapPolicy } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseLaunches, type LaunchPolicy, type OpenLaunch, STARTS_PER_ROUND } from './launch-policy.ts';

const launch = (id: number, state: OpenLaunch['state'], change: Partial<OpenLaunch> = {}): OpenLaunch => ({
  id,
  state,
  isAbandoned: false,
  isCancelRequested: false,
  ...change,
});
const policyOf = (overlap: OverlapPolicy): LaunchPolicy => ({ kind: 'schedule', overlap });
const nothing = { start: [], skip: [], cancel: [] };

describe('the choice of planned runs that start', () => {
  it('takes all where they may overlap', () => {
    const open = [launch(1, 'running'), launch(2, 'waiting'), launch(3, 'waiting')];
    expect(chooseLaunches(policyOf('allow'), open)).toEqual({ ...nothing, start: [2, 3] });
  });

  it('takes the first of a queue when nothing runs', () => {
    const waiting = [launch(2, 'waiting'), launch(3, 'waiting')];
    expect(chooseLaunches(policyOf('queue'), [launch(1, 'running'), ...waiting])).toEqual(nothing);
    expect(chooseLaunches(policyOf('queue'), [launch(1, 'starting'), ...waiting])).toEqual(nothing);
    expect(chooseLaunches(policyOf('queue'), waiting)).toEqual({ ...nothing, start: [2] });
  });

  it('cancels what runs, once, and takes the newest when it has ended', () => {
    const waiting = [launch(2, 'waiting'), launch(3, 'waiting')];
    const reason = expect.stringMatching(/a later one/);
    expect(chooseLaunches(policyOf('cancel_running'), [launch(1, 'running'), ...waiting])).toEqual({
      start: [],
      skip: [{ id: 2, reason }],
      cancel: [1],
    });
    const asked = launch(1, 'running', { isCancelRequested: true });
    expect(chooseLaunches(policyOf('cancel_running'), [asked, launch(3, 'waiting')])).toEqual(nothing);
    expect(chooseLaunches(policyOf('cancel_running'), [launch(3, 'waiting')])).toEqual({
      ...nothing,
      start: [3],
    });
    expect(chooseLaunches(policyOf('cancel_running'), [launch(1, 'running')])).toEqual(nothing);
  });

  it('fills the places of a backfill, in the order given', () => {
    const open = [launch(9, 'running'), launch(8, 'starting'), launch(7, 'waiting'), launch(6, 'waiting')];
    expect(chooseLaunches({ kind: 'backfill', maxParallel: 3 }, open)).toEqual({ ...nothing, start: [7] });
  });

  it('never passes the places, and takes up again what was abandoned', () => {
    const state = fc.constantFrom<OpenLaunch['state']>('waiting', 'starting', 'running');
    const open = fc
      .array(fc.record({ state, isAbandoned: fc.boolean(), isCancelRequested: fc.boolean() }), {
        maxLength: 80,
      })
      .map((all) => all.map((one, id) => ({ id, ...one })));
    const policy = fc.oneof(
      fc.constantFrom<OverlapPolicy>('allow', 'skip', 'queue', 'cancel_running').map(policyOf),
      fc.integer({ min: 1, max: 20 }).map((maxParallel): LaunchPolicy => ({ kind: 'backfill', maxParallel })),
    );
    fc.assert(
      fc.property(policy, open, (chosen, launches) => {
        const { start, skip, cancel } = chooseLaunches(chosen, launches);
        const of = (id: number) => launches[id]!;
        const places =
          chosen.kind === 'backfill' ? chosen.maxParallel : chosen.overlap === 'allow' ? Infinity : 1;
        const active = launches.filter((one) => one.state !== 'waiting').length;
        const fresh = start.filter((id) => of(id).state === 'waiting');
        expect(fresh.length).toBeLessThanOrEqual(Math.max(0, Math.min(places - active, STARTS_PER_ROUND)));
        expect(start.filter((id) => of(id).state !== 'waiting')).toEqual(
          launches.filter((one) => one.state === 'starting' && one.isAbandoned).map(({ id }) => id),
        );
        expect(new Set(start).size).toBe(start.length);
        expect(cancel.every((id) => of(id).state === 'running' && !of(id).isCancelRequested)).toBe(true);
        expect(skip.every(({ id }) => of(id).state === 'waiting' && !start.includes(id))).toBe(true);
        // Nothing is stuck: where something waits and nothing runs, something starts.
        if (active === 0 && launches.length > 0) expect(fresh.length).toBeGreaterThan(0);
      }),
    );
  });
});
