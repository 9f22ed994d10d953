import type { OnConflict } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GroupMember, settleGroup } from './settle-group.ts';

const member = (
  id: string,
  state: GroupMember['state'],
  onConflict: OnConflict = 'queue',
  limit = 1,
): GroupMember => ({ id, state, onConflict, limit });

describe('a concurrency group', () => {
  it('admits in turn, as many as there is room for', () => {
    const waiting = ['a', 'b', 'c'].map((id) => member(id, 'waiting', 'queue', 2));
    expect(settleGroup(waiting, 'by turn')).toEqual({ admitted: ['a', 'b'], cancelled: [] });
    const busy = [member('x', 'running', 'queue', 2), ...waiting];
    expect(settleGroup(busy, 'by turn').admitted).toEqual(['a']);
    expect(settleGroup(waiting, 'by claim').admitted).toEqual([]);
  });

  it('counts what has been asked to end until it has ended', () => {
    expect(settleGroup([member('x', 'ending'), member('a', 'waiting')], 'by turn').admitted).toEqual([]);
  });

  it('cancels a newcomer that must not wait', () => {
    const settled = settleGroup([member('x', 'running'), member('a', 'waiting', 'cancel_newest')], 'by turn');
    expect(settled).toEqual({ admitted: [], cancelled: [{ id: 'a', by: 'x', why: 'refused' }] });
    const behind = [
      member('x', 'running'),
      member('q', 'waiting'),
      member('a', 'waiting', 'cancel_newest', 2),
    ];
    expect(settleGroup(behind, 'by turn').cancelled).toEqual([{ id: 'a', by: 'x', why: 'refused' }]);
    // Where agents choose, who waits has no place yet that could be taken.
    expect(settleGroup(behind, 'by claim').cancelled).toEqual([]);
  });

  it('lets the newest replace everything older, at work or waiting', () => {
    const members = [
      member('x', 'running'),
      member('q', 'waiting'),
      member('r', 'waiting', 'cancel_running'),
      member('s', 'waiting', 'cancel_running'),
      member('t', 'waiting'),
    ];
    expect(settleGroup(members, 'by turn')).toEqual({
      admitted: [],
      cancelled: ['x', 'q', 'r'].map((id) => ({ id, by: 's', why: 'replaced' })),
    });
  });

  it('keeps as many of the newest as the limit says', () => {
    const members = [
      member('x', 'running', 'queue', 2),
      member('y', 'running', 'queue', 2),
      member('r', 'waiting', 'cancel_running', 2),
    ];
    expect(settleGroup(members, 'by claim').cancelled).toEqual([{ id: 'x', by: 'r', why: 'replaced' }]);
  });

  it('does not let an older one that is tried again replace a newer one', () => {
    const members = [member('old', 'waiting', 'cancel_running'), member('new', 'running', 'cancel_running')];
    expect(settleGroup(members, 'by claim').cancelled).toEqual([{ id: 'old', by: 'new', why: 'replaced' }]);
  });

  it('comes to rest, passes no limit and leaves nobody waiting for nothing', () => {
    const anyMember = fc.record({
      state: fc.constantFrom('running' as const, 'waiting' as const),
      onConflict: fc.constantFrom('queue' as const, 'cancel_newest' as const, 'cancel_running' as const),
    });
    fc.assert(
      fc.property(fc.array(anyMember, { maxLength: 12 }), fc.integer({ min: 1, max: 3 }), (wanted, limit) => {
        let members: GroupMember[] = [];
        // Whoever runs has been admitted, so there were never more than the limit.
        for (const [index, each] of wanted.entries()) {
          const running = members.filter(({ state }) => state === 'running').length;
          const state = running < limit ? each.state : 'waiting';
          members.push({ ...each, state, id: String(index).padStart(2, '0'), limit });
        }
        for (let round = 0; members.length > 0; round += 1) {
          expect(round).toBeLessThan(50);
          const { admitted, cancelled } = settleGroup(members, 'by turn');
          const ids = new Set(cancelled.map(({ id }) => id));
          expect(admitted.filter((id) => ids.has(id))).toEqual([]);
          const before = members;
          members = members.flatMap((each): GroupMember[] => {
            if (admitted.includes(each.id)) return [{ ...each, state: 'running' }];
            if (!ids.has(each.id)) return [each];
            return each.state === 'running' ? [{ ...each, state: 'ending' }] : [];
          });
          const atWork = members.filter(({ state }) => state !== 'waiting');
          expect(atWork.length).toBeLessThanOrEqual(limit);
          expect(atWork.length, JSON.stringify(before)).toBeGreaterThan(0);
          // Nothing more is decided before somebody ends.
          const again = settleGroup(members, 'by turn');
          expect(again).toEqual({ admitted: [], cancelled: [] });
          members = members.filter((each) => each !== atWork[0]);
        }
      }),
    );
  });
});
