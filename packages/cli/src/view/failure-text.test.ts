import type { RunTree } from '@trainyard/protocol';
import { expect, it } from 'vitest';
import { testTree } from '../testing/test-tree.ts';
import { adviceLines, exclusionNotes, otherFailures, triedAgain } from './failure-text.ts';

const failed = (path: string, error: Partial<NonNullable<RunTree['error']>> = {}, more = {}): RunTree => ({
  ...testTree(path, 'failed'),
  path,
  error: { code: 'exit_code', message: 'exit code 1', path, class: 'user_error', ...error },
  ...more,
});
const treeOf = (...children: RunTree[]): RunTree => ({
  ...testTree('p', 'failed', children),
  error: { ...children[0]!.error!, message: `Stage "${children[0]!.path}" failed` },
});
const none = new Map<string, string[]>();

it('class and advice are told of each stage that failed by itself, the first one above', () => {
  const group = { ...failed('sweep'), children: [failed('sweep/b', { class: 'hardware', label: 'GPU' })] };
  group.error = { ...group.children[0]!.error!, path: 'sweep/b' };
  const tree = treeOf(failed('a', { class: 'out_of_memory' }), group, testTree('fine', 'completed'));
  expect(adviceLines(tree, none)[0]).toMatch(/^class {5}out_of_memory: Memory ran out/);
  expect(adviceLines(tree, none)[1]).toMatch(/^do {8}Use a smaller batch/);
  expect(otherFailures(tree, none).split('\n')).toEqual([
    'also failed',
    '  sweep/b',
    '    hardware (GPU): A part of the machine failed, such as a GPU.',
    expect.stringMatching(/^ {4}Take the machine out of service/),
  ]);
  expect(otherFailures(treeOf(failed('a')), none)).toBe('');
});

it('of many failed stages ten are told of, the others counted', () => {
  const text = otherFailures(treeOf(...Array.from({ length: 14 }, (_, at) => failed(`s${at}`))), none);
  expect(text.match(/^ {2}s\d+$/gm)).toEqual(Array.from({ length: 10 }, (_, at) => `  s${at + 1}`));
  expect(text).toContain('… and 3 more');
});

it('tries that were left out are told, and agents that were kept away', () => {
  const [a, b] = [
    failed('a', { triesLeft: 1 }, { attempt: 2 }),
    failed('b', { triesLeft: 2 }, { attempt: 2 }),
  ];
  const running = { ...testTree('c', 'running'), path: 'c', attempt: 3 };
  const tree = treeOf(a, b, running, failed('once'));
  expect(triedAgain(tree)).toEqual([a, b, running]);
  const exclusions = new Map([a, b, running].map(({ id }) => [id, ['agt_1']]));
  const noted = adviceLines(tree, exclusions).slice(2);
  expect(noted).toEqual([
    expect.stringMatching(/^note {6}1 try was left and not made: .*noRetry/),
    'note      kept away from agt_1, where an attempt failed (excludeAgent)',
  ]);
  expect(otherFailures(tree, exclusions)).toMatch(
    / {2}b\n.*\n.*\n {4}2 tries were left[^\n]*\n {4}kept away/,
  );
  expect(exclusionNotes(tree, exclusions)).toEqual([[running.id, expect.stringContaining('agt_1')]]);
});
