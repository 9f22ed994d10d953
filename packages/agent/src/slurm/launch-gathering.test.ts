import { expect, test } from 'vitest';
import { StartGroup } from '../link/start-groups.ts';
import { LaunchGathering } from './launch-gathering.ts';

const HOUR_MS = 3_600_000;

/** Answers each with what it was done together with. */
function gathering(patienceMs: number, failing: Set<string> = new Set()) {
  const calls: string[][] = [];
  const together = async (items: readonly string[]) => {
    calls.push([...items]);
    return items.map(async (item) => {
      if (failing.has(item)) throw new Error(item);
      return items.join('+');
    });
  };
  const gathered = new LaunchGathering<string, string>(together, patienceMs);
  return { calls, add: (group: StartGroup, item: string) => gathered.add(group, item, item) };
}

test('hands a group over as soon as all of it is there, and answers each for itself', async () => {
  const { calls, add } = gathering(HOUR_MS, new Set(['b']));
  const [x, y] = [new StartGroup('x', ['a', 'b', 'c']), new StartGroup('x', ['d', 'e'])];
  const answers = await Promise.allSettled([add(x, 'a'), add(y, 'd'), add(x, 'b'), add(x, 'c'), add(y, 'e')]);
  expect(calls).toEqual([
    ['a', 'b', 'c'],
    ['d', 'e'],
  ]);
  expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed'))).toEqual([
    ...['a+b+c', 'd+e', 'failed', 'a+b+c', 'd+e'],
  ]);
});

test('does not wait for one that will not come', async () => {
  const { calls, add } = gathering(HOUR_MS);
  const group = new StartGroup('x', ['a', 'b', 'c', 'd']);
  group.settle('a');
  const both = Promise.all([add(group, 'b'), add(group, 'd')]);
  group.settle('c');
  expect(await both).toEqual(['b+d', 'b+d']);
  expect(calls).toHaveLength(1);
});

test('goes on without one that takes too long, which comes alone', async () => {
  const { add } = gathering(20);
  const group = new StartGroup('x', ['a', 'b', 'c']);
  expect(await Promise.all([add(group, 'a'), add(group, 'b')])).toEqual(['a+b', 'a+b']);
  expect(await add(group, 'c')).toBe('c');
});

test('those that failed together are handed over together once more', async () => {
  const failing = new Set(['a', 'b', 'c']);
  const { calls, add } = gathering(HOUR_MS, failing);
  const group = new StartGroup('x', ['a', 'b', 'c']);
  const first = await Promise.allSettled([add(group, 'a'), add(group, 'b'), add(group, 'c')]);
  expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  failing.clear();
  const again = Promise.all([add(group, 'b'), add(group, 'a')]);
  // Nobody wants it any more.
  group.settle('c');
  expect(await again).toEqual(['b+a', 'b+a']);
  expect(calls).toHaveLength(2);
});

test('fails all of them when they cannot be done, and what waits when it is closed', async () => {
  const broken = new LaunchGathering<string, string>(async () => {
    throw new Error('no answer');
  }, HOUR_MS);
  const group = new StartGroup('x', ['a', 'b']);
  const both = await Promise.allSettled([broken.add(group, 'a', 'a'), broken.add(group, 'b', 'b')]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const waiting = broken.add(group, 'a', 'a');
  broken.close(new Error('the agent stops'));
  await expect(waiting).rejects.toThrow('the agent stops');
});
