import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AttemptLimit, groupLimit, poolLimit } from './attempt-limit.ts';
import { type Candidate, handOut, isOpen, isReserving, type Usage } from './hand-out.ts';

const usage = (held: Record<string, number>, pools: Record<string, number>): Usage => ({
  held: new Map(Object.entries(held)),
  poolSlots: new Map(Object.entries(pools)),
});
const candidate = (id: string, rank: number, ...limits: AttemptLimit[]): Candidate => ({
  id,
  rank,
  gpus: 0,
  limits: limits.length === 0 ? null : limits,
  gate: null,
});
const free = { slots: 10, gpus: 0 };

describe('handing out attempts with limits', () => {
  it('goes by rank and then by id', () => {
    const mixed = [candidate('b', 2, poolLimit('p', 1)), candidate('c', 1), candidate('a', 2)];
    expect(handOut(mixed, usage({}, { p: 1 }), free).taken).toEqual(['c', 'a', 'b']);
    expect(handOut(mixed, usage({}, { p: 1 }), { slots: 2, gpus: 0 }).taken).toEqual(['c', 'a']);
  });

  it('puts aside what does not fit, at the gate of the limit that is full', () => {
    const group = groupLimit('deploy', 2, 'queue');
    const { taken, parked } = handOut(
      [
        candidate('a', 1, poolLimit('p', 2)),
        candidate('b', 2, poolLimit('p', 1), group),
        candidate('c', 3, poolLimit('q', 1)),
      ],
      usage({ 'pool/p': 1, 'group/deploy': 2 }, { p: 2 }),
      free,
    );
    expect(taken).toEqual([]);
    expect(parked).toEqual([
      { id: 'a', gate: 'pool/p/2' },
      { id: 'b', gate: 'group/deploy/2' },
      { id: 'c', gate: 'pool/q/1' },
    ]);
  });

  it('leaves alone what only lacks GPUs', () => {
    const wants = { ...candidate('a', 1), gpus: 2 };
    expect(handOut([wants, candidate('b', 2)], usage({}, {}), { slots: 2, gpus: 1 })).toEqual({
      taken: ['b'],
      parked: [],
    });
  });

  it('lets nobody overtake for a pool what waits for several slots of it', () => {
    const large = { ...candidate('large', 1, poolLimit('p', 2)), gate: 'pool/p/2' };
    const now = usage({ 'pool/p': 1 }, { p: 2 });
    const later = [candidate('small', 2, poolLimit('p', 1)), candidate('other', 3)];
    expect(isReserving('pool/p/2', now)).toBe(true);
    expect(handOut(later, now, free, [large])).toEqual({
      taken: ['other'],
      parked: [{ id: 'small', gate: 'pool/p/1' }],
    });
    const earlier = [candidate('urgent', 0, poolLimit('p', 1))];
    expect(handOut(earlier, now, free, [large]).taken).toEqual(['urgent']);
  });

  it('reserves nothing for what can never fit', () => {
    expect(isReserving('pool/p/3', usage({}, { p: 2 }))).toBe(false);
    expect(isReserving('pool/gone/2', usage({}, {}))).toBe(false);
    expect(isOpen('pool/gone/1', usage({}, {}))).toBe(false);
  });

  it('passes no limit and leaves nothing that fits', () => {
    const limit = fc.oneof(
      fc
        .record({ name: fc.constantFrom('p', 'q'), slots: fc.integer({ min: 1, max: 3 }) })
        .map(({ name, slots }): AttemptLimit => poolLimit(name, slots)),
      fc.constantFrom('g', 'h').map((name): AttemptLimit => groupLimit(name, 2, 'queue')),
    );
    const limits = fc.uniqueArray(limit, { maxLength: 3, selector: ({ key }) => key });
    fc.assert(
      fc.property(
        fc.array(fc.record({ limits, rank: fc.integer({ min: 0, max: 5 }) }), { maxLength: 20 }),
        fc.record({ p: fc.integer({ min: 0, max: 4 }), q: fc.integer({ min: 0, max: 4 }) }),
        fc.integer({ min: 1, max: 20 }),
        (wanted, pools, slots) => {
          const all = wanted.map((each, index) => candidate(`a${index}`, each.rank, ...each.limits));
          const { taken, parked } = handOut(all, usage({}, pools), { slots, gpus: 0 });
          const held = new Map<string, number>();
          const of = (id: string) => all.find((each) => each.id === id)!.limits ?? [];
          for (const each of taken.flatMap(of)) held.set(each.key, (held.get(each.key) ?? 0) + each.slots);
          const capacity = ({ key }: AttemptLimit) =>
            key.startsWith('group/') ? 2 : pools[key.slice(5) as 'p' | 'q'];
          for (const each of all.flatMap(({ limits }) => limits ?? [])) {
            expect(held.get(each.key) ?? 0).toBeLessThanOrEqual(capacity(each));
          }
          expect(taken.length).toBeLessThanOrEqual(slots);
          if (taken.length < slots) expect(taken.length + parked.length).toBe(all.length);
          for (const { id } of parked) {
            expect(of(id).some((each) => (held.get(each.key) ?? 0) + each.slots > capacity(each))).toBe(true);
          }
        },
      ),
    );
  });
});
