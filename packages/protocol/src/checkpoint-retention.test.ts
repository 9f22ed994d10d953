import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decideCleanup, type JudgedCheckpoint } from './checkpoint-retention.ts';

const checkpoint = (id: string, step: number | null, loss?: number): JudgedCheckpoint => ({
  ...{ id, path: `/c/${id}`, step, sizeBytes: 1 },
  metrics: loss === undefined ? {} : { eval_loss: loss },
});
const policy = {
  ...{ keepBest: 2, keepLast: 0, metric: 'eval_loss' },
  ...({ direction: 'min', missingMetric: 'keep' } as const),
};
const ids = (list: readonly JudgedCheckpoint[]) => list.map(({ id }) => id);

it('keeps the best, the last, and what it knows nothing of', () => {
  const all = [checkpoint('a', 1, 0.5), checkpoint('b', 2, 0.1), checkpoint('c', 3), checkpoint('d', 4, 0.3)];
  expect(ids(decideCleanup(all, policy).doomed)).toEqual(['a']);
  expect(ids(decideCleanup(all, { ...policy, direction: 'max' }).best)).toEqual(['a', 'd']);
  expect(ids(decideCleanup(all, { ...policy, keepBest: 1, keepLast: 1 }).kept)).toEqual(['b', 'c', 'd']);
  expect(ids(decideCleanup(all, { ...policy, missingMetric: 'delete' }).doomed)).toEqual(['a', 'c']);
});

it('prefers the later of two that are equally good', () => {
  const all = [checkpoint('a', 5, 0.1), checkpoint('b', 7, 0.1), checkpoint('c', null, 0.1)];
  expect(ids(decideCleanup(all, { ...policy, keepBest: 1 }).kept)).toEqual(['b']);
});

it('keeps what is protected, once where it is the best or the last, and takes no place from others', () => {
  const all = [
    checkpoint('a', 1, 0.9),
    checkpoint('b', 2, 0.1),
    checkpoint('c', 3, 0.5),
    checkpoint('d', 4, 0.3),
  ];
  const keep = { ...policy, keepBest: 1, keepLast: 1 };
  expect(ids(decideCleanup(all, keep).kept)).toEqual(['b', 'd']);
  const protect = (...wanted: string[]) =>
    all.map((each) => ({ ...each, isProtected: wanted.includes(each.id) }));
  expect(ids(decideCleanup(protect('a'), keep).kept)).toEqual(['a', 'b', 'd']);
  expect(ids(decideCleanup(protect('b'), keep).kept)).toEqual(['b', 'd']);
  // Best is latest: kept once.
  const bestIsLast = [...all.slice(0, 3), checkpoint('e', 9, 0.05)];
  expect(ids(decideCleanup(bestIsLast, keep).kept)).toEqual(['e']);
});

it('never takes what is no number for the best, whichever direction is better', () => {
  for (const direction of ['min', 'max'] as const) {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((loss, index) =>
      checkpoint(`odd${index}`, index, loss),
    );
    const all = [...odd, checkpoint('good', 9, 0.5)];
    const decision = decideCleanup(all, { ...policy, keepBest: 1, direction, missingMetric: 'delete' });
    expect(ids(decision.kept)).toEqual(['good']);
    expect(decision.unknown).toHaveLength(3);
  }
});

it('loses no checkpoint, deletes none that is better than one it keeps, and is not moved by their order', () => {
  const some = fc.uniqueArray(
    fc.record({
      id: fc.string({ minLength: 1, maxLength: 4 }),
      step: fc.option(fc.nat(20)),
      loss: fc.option(fc.double({ noNaN: true, min: -5, max: 5 }), { nil: undefined }),
    }),
    { selector: ({ id }) => id, maxLength: 30 },
  );
  fc.assert(
    fc.property(
      some,
      fc.nat(5),
      fc.nat(3),
      fc.boolean(),
      fc.boolean(),
      (given, keepBest, keepLast, isMin, keeps) => {
        const all = given.map(({ id, step, loss }) => checkpoint(id, step, loss));
        const wanted = {
          ...{ keepBest, keepLast, metric: 'eval_loss' },
          ...{ direction: isMin ? ('min' as const) : ('max' as const) },
          ...{ missingMetric: keeps ? ('keep' as const) : ('delete' as const) },
        };
        const { best, unknown, kept, doomed } = decideCleanup(all, wanted);
        expect([...ids(kept), ...ids(doomed)].sort()).toEqual(ids(all).sort());
        expect(best).toHaveLength(Math.min(keepBest, all.length - unknown.length));
        const sign = isMin ? 1 : -1;
        const last = best.at(-1);
        for (const each of doomed) {
          const value = each.metrics['eval_loss'];
          if (value === undefined) expect(keeps).toBe(false);
          else if (last !== undefined)
            expect(sign * (last.metrics['eval_loss']! - value)).toBeLessThanOrEqual(0);
        }
        expect(ids(decideCleanup([...all].reverse(), wanted).doomed).sort()).toEqual(ids(doomed).sort());
        // What is left is not cleaned up any further.
        expect(decideCleanup(kept, wanted).doomed).toEqual([]);
      },
    ),
  );
});
