import { expect, test } from 'vitest';
import { LaunchGathering } from './launch-gathering.ts';

/** Answers each with what it was done together with. */
function gathering(quietMs: number) {
  const calls: string[][] = [];
  const together = async (items: readonly string[]) => {
    calls.push([...items]);
    return items.map(async (item) => {
      if (item.startsWith('bad')) throw new Error(item);
      return items.join('+');
    });
  };
  return { calls, gathered: new LaunchGathering<string, string>(together, quietMs) };
}

test('does what is expected as one as soon as all of it is there, and answers each for itself', async () => {
  const { calls, gathered } = gathering(3_600_000);
  const answers = await Promise.allSettled([
    gathered.add('x', 3, 'a'),
    gathered.add('y', 1, 'other'),
    gathered.add('x', 3, 'bad b'),
    gathered.add('x', 3, 'c'),
    gathered.add('z', 2, 'd'),
    gathered.add('z', 2, 'e'),
  ]);
  expect(calls).toEqual([['other'], ['a', 'bad b', 'c'], ['d', 'e']]);
  expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed'))).toEqual([
    ...['a+bad b+c', 'other', 'failed', 'a+bad b+c', 'd+e', 'd+e'],
  ]);
});

test('does not wait for what does not come', async () => {
  const { gathered } = gathering(20);
  expect(await Promise.all([gathered.add('x', 9, 'a'), gathered.add('x', 9, 'b')])).toEqual(['a+b', 'a+b']);
  expect(await gathered.add('x', 9, 'late')).toBe('late');
});

test('fails all of them when they cannot be done, and what waits when it is closed', async () => {
  const broken = new LaunchGathering<string, string>(async () => {
    throw new Error('no answer');
  }, 3_600_000);
  const both = await Promise.allSettled([broken.add('x', 2, 'a'), broken.add('x', 2, 'b')]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const waiting = broken.add('x', 2, 'c');
  broken.close(new Error('the agent stops'));
  await expect(waiting).rejects.toThrow('the agent stops');
});
