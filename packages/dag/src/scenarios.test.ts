import { describe, expect, it } from 'vitest';
import type { Dag, DagNode } from './definition.ts';
import { expectLawfulRun } from './testing/observe.testsuite.ts';
import { planOf } from './testing/random-dag.testsuite.ts';
import type { SimulatedAttempt } from './testing/simulate.ts';
import { simulate } from './testing/simulate.ts';
import { n, Story } from './testing/story.testsuite.ts';
import { validate } from './validate.ts';

// Edge cases of other engines' test suites that no other file here has; docs/reference/scenarios.md lists all.

const once = (attempts: number): Pick<DagNode, 'retry'> => ({
  retry: { attempts, backoffMs: 10, factor: 1, maxBackoffMs: 10 },
});

/** Runs to the end on a simulated clock; gives when each node was handed out first, and all statuses. */
function play(dag: Dag, slots: number, attempt: (path: string, attempt: number) => SimulatedAttempt) {
  const plan = planOf(dag);
  const result = simulate(plan, { slots, attempt: (node, number) => attempt(node.path, number) });
  expectLawfulRun(plan, result);
  const startedAt = new Map<string, number>();
  for (const { node, startAt } of result.runs.toReversed()) startedAt.set(plan.nodes[node]!.path, startAt);
  return { result, startedAt };
}

describe('shapes', () => {
  it('of parts that are not connected go on beside each other: a slow part holds up no chain (4)', () => {
    const nodes = [n('slow'), n('a'), n('b', 'a'), n('c', 'b'), n('alone')];
    const { result, startedAt } = play({ nodes }, 2, (path) => ({ durationMs: path === 'slow' ? 100 : 10 }));
    expect(result.status).toBe('completed');
    expect(startedAt.get('c')).toBeLessThan(100);
    expect(result.makespanMs).toBe(100);
  });

  it('with several roots and several leaves end when all leaves have ended (4)', () => {
    const run = new Story({ nodes: [n('r1'), n('r2'), n('x', 'r1', 'r2'), n('y', 'r2'), n('z', 'r1')] });
    for (const name of ['r1', 'r2', 'x', 'y']) expect(run.end(name).finished).toBeUndefined();
    expect(run.end('z').finished?.status).toBe('completed');
  });

  it('that join are started once when all parents end in the same instant (6)', () => {
    const parents = Array.from({ length: 8 }, (_, at) => n(`p${at}`));
    const join = n('join', ...parents.map(({ name }) => name));
    const { result } = play({ maxParallel: 8, nodes: [...parents, join] }, 8, () => ({ durationMs: 10 }));
    expect(result.runs.filter(({ node }) => node === 9)).toEqual([
      { node: 9, attempt: 1, startAt: 10, endAt: 20 },
    ]);
  });

  it('of a thousand between a fork and a join run each once (7)', () => {
    const middle = Array.from({ length: 1_000 }, (_, at) => n(`m${at}`, 'fork'));
    const nodes = [n('fork'), ...middle, n('join', ...middle.map(({ name }) => name))];
    const { result, startedAt } = play({ maxParallel: 1_000, nodes }, 1_000, () => ({ durationMs: 10 }));
    expect(result.runs).toHaveLength(1_002);
    expect([startedAt.get('m999'), startedAt.get('join')]).toEqual([10, 20]);
  });

  it('that need one of each of two groups wait for both groups (20)', () => {
    const oneOf = (name: string, ...of: string[]): DagNode => ({
      ...n(name, ...of),
      triggerRule: 'one_success',
    });
    const nodes = [
      n('a'),
      n('b'),
      n('c'),
      n('d'),
      oneOf('ab', 'a', 'b'),
      oneOf('cd', 'c', 'd'),
      n('it', 'ab', 'cd'),
    ];
    const run = new Story({ maxParallel: 9, nodes });
    run.end('a', 'failed').end('b').end('ab');
    expect(run.status('it')).toBe('pending');
    run.end('d').end('cd');
    expect(run.status('it')).toBe('active');
  });

  it('that nothing waits for are waited for by the run (25)', () => {
    const run = new Story({ nodes: [n('a'), { ...n('orphan'), dag: { nodes: [n('x'), n('y', 'x')] } }] });
    run.end('a').end('orphan/x');
    expect(run.finished).toBeUndefined();
    expect(run.end('orphan/y').finished?.status).toBe('completed');
  });
});

describe('failures', () => {
  it('under fail_fast with two places start nothing after the first (10)', () => {
    const nodes = ['a', 'b', 'c', 'd'].map((name) => n(name));
    const run = new Story({ failPolicy: 'fail_fast', maxParallel: 2, nodes });
    run.end('b', 'failed');
    expect([run.status('a'), run.status('c'), run.finished]).toEqual(['active', 'skipped', undefined]);
    run.end('a');
    expect(run.started).toEqual(['a', 'b']);
    expect(run.finished).toMatchObject({ status: 'failed', error: { path: 'b' } });
  });

  it.each(['a', 'mid', 'g', 'last'])(
    'of %s in the middle of branches end the run all the same (11)',
    (failing) => {
      const dag: Dag = {
        nodes: [
          n('a'),
          n('mid', 'a'),
          { ...n('g', 'a'), dag: { nodes: [n('x'), n('y', 'x')] } },
          n('last', 'mid', 'g'),
          n('beside'),
        ],
      };
      const { result } = play(dag, 2, (path) => ({
        durationMs: 5,
        outcome: path.startsWith(failing) ? 'failed' : 'completed',
      }));
      expect(result.status).toBe('failed');
      expect(result.runs.some(({ node }) => planOf(dag).nodes[node]!.path === 'beside')).toBe(true);
    },
  );

  it.each([
    { setup: 'completed', work: 'completed', tearDown: 'completed', end: 'completed' },
    { setup: 'completed', work: 'failed', tearDown: 'completed', end: 'failed' },
    { setup: 'failed', work: 'skipped', tearDown: 'skipped', end: 'failed' },
    { setup: 'skipped', work: 'skipped', tearDown: 'skipped', end: 'completed' },
  ] as const)('of a setup leave nothing to tear down: setup $setup, work $work (15)', (expected) => {
    const session: Dag = { nodes: [n('work'), { ...n('tearDown', 'work'), triggerRule: 'always' }] };
    const run = new Story({
      nodes: [
        { ...n('setup'), condition: true },
        { ...n('session', 'setup'), dag: session },
      ],
    });
    run.condition('setup', expected.setup !== 'skipped');
    if (expected.setup !== 'skipped') run.end('setup', expected.setup);
    if (expected.setup === 'completed') {
      run.end('session/work', expected.work === 'failed' ? 'failed' : 'completed').end('session/tearDown');
    }
    const { work, tearDown } = { work: run.status('session/work'), tearDown: run.status('session/tearDown') };
    expect({ work, tearDown, end: run.finished?.status }).toEqual({
      work: expected.work,
      tearDown: expected.tearDown,
      end: expected.end,
    });
  });

  it('that skip a node do so for good, whatever is told again (18)', () => {
    const run = new Story({ nodes: [n('a'), { ...n('b', 'a'), condition: true }, n('c', 'b')] });
    run.end('a').condition('b', false);
    const before = run.log.length;
    run.condition('b', true).end('a').end('b').end('c');
    run.timer('b', 'retry');
    expect(run.log.length).toBe(before);
    expect([run.status('b'), run.status('c')]).toEqual(['skipped', 'skipped']);
  });

  it('spend the tries of their own node only (46)', () => {
    const nodes = [
      { ...n('a'), ...once(3) },
      { ...n('b'), ...once(3) },
    ];
    const { result } = play({ nodes }, 2, (path, attempt) => ({
      durationMs: 5,
      outcome: path === 'a' || attempt < 3 ? 'failed' : 'completed',
    }));
    expect(result.runs.map(({ node }) => node).sort()).toEqual([1, 1, 1, 2, 2, 2]);
    expect(result.error?.path).toBe('a');
  });

  it('try no nested DAG again as a whole: that is refused (45)', () => {
    const refused = validate({ nodes: [{ ...n('g'), ...once(2), dag: { nodes: [n('x')] } }] });
    expect(refused.ok ? [] : refused.faults.map(({ message }) => message)).toEqual([
      'A nested DAG cannot be retried as a whole; put retry on the nodes inside it',
    ]);
  });

  it('never make a back-off longer than its cap, however often they come (44)', () => {
    const retry = { attempts: 1_000, backoffMs: 1_000, factor: 10, maxBackoffMs: 60_000 };
    const { result } = play({ nodes: [{ ...n('a'), retry }] }, 1, () => ({
      durationMs: 0,
      outcome: 'failed',
    }));
    expect(result.runs).toHaveLength(1_000);
    expect(result.makespanMs).toBe(1_000 + 10_000 + 997 * 60_000);
  });
});

describe('a cancel', () => {
  const dag: Dag = {
    maxParallel: 3,
    nodes: [
      { ...n('run'), ...once(2) },
      { ...n('again'), ...once(2) },
      { ...n('g'), dag: { nodes: [{ ...n('inner'), dag: { nodes: [n('x')] } }, n('y', 'inner')] } },
      n('queued'),
      n('waits', 'run'),
    ],
  };

  it.each([
    { when: 'it waits for a place', path: 'queued', before: 'pending', at: 'cancelled' },
    { when: 'it waits for its dependencies', path: 'waits', before: 'pending', at: 'cancelled' },
    { when: 'it runs', path: 'run', before: 'active', at: 'cancelling' },
    { when: 'it waits for children', path: 'g', before: 'active', at: 'cancelling' },
    { when: 'it waits to try again', path: 'again', before: 'waiting_retry', at: 'cancelled' },
  ] as const)('while $when ends the node and is idempotent (34)', ({ path, before, at }) => {
    const run = new Story(dag);
    // Its place is taken by "queued" then, so that is not for the case that needs it.
    if (path === 'again') run.end('again', 'failed');
    expect(run.status(path)).toBe(before);
    run.cancel(path);
    expect(run.status(path)).toBe(at);
    expect(run.cancel(path)).toEqual([]);
    if (path === 'run') run.end('run', 'cancelled');
    if (path === 'g') run.end('g/inner/x', 'cancelled');
    expect(run.status(path)).toBe('cancelled');
    expect(run.cancel(path)).toEqual([]);
  });

  it('before the start ends everything at once, after the end nothing (34)', () => {
    const early = new Story(dag, { isStarted: false });
    early.cancel('');
    expect(new Set(early.statuses())).toEqual(new Set(['cancelled']));
    const late = new Story({ nodes: [n('a')] });
    late.end('a');
    expect([late.cancel('a'), late.cancel('')]).toEqual([[], []]);
  });

  it('beats the skip that the same end would have caused (19)', () => {
    const run = new Story({ nodes: [n('a'), n('b', 'a')] });
    run.cancel('');
    run.end('a', 'failed');
    expect([run.status('a'), run.status('b')]).toEqual(['cancelled', 'cancelled']);
  });

  it('reaches grandchildren, and leaves cleaning up in them alone (35)', () => {
    const inner: Dag = { nodes: [n('work'), { ...n('clean', 'work'), triggerRule: 'always' }] };
    const run = new Story({ nodes: [{ ...n('g'), dag: { nodes: [{ ...n('h'), dag: inner }] } }] });
    run.cancel('');
    run.end('g/h/work', 'cancelled');
    expect([run.status('g/h/clean'), run.status('')]).toEqual(['active', 'cancelling']);
    run.end('g/h/clean');
    expect(run.statuses()).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled', 'completed']);
  });

  it('of one of two equal nested DAGs leaves the other (33, 36)', () => {
    const twin: Dag = { nodes: [n('x'), n('y', 'x')] };
    const run = new Story({
      nodes: [
        { ...n('left'), dag: twin },
        { ...n('right'), dag: twin },
      ],
    });
    run.cancel('left');
    run.end('right/x').end('left/x', 'cancelled').end('right/y');
    expect(run.statuses()).toEqual([
      'failed',
      'cancelled',
      'cancelled',
      'cancelled',
      'completed',
      'completed',
      'completed',
    ]);
  });
});

describe('time limits', () => {
  it.each([
    { timeoutMs: 40, deadlineMs: 60, leaf: 'timeout', root: 'failed' },
    { timeoutMs: 60, deadlineMs: 40, leaf: 'deadline', root: 'timed_out' },
  ])('of $timeoutMs ms for the attempt and $deadlineMs ms for all: the first wins (42)', (limits) => {
    const { timeoutMs, deadlineMs, leaf, root } = limits;
    const { result } = play({ deadlineMs, nodes: [{ ...n('a'), timeoutMs }] }, 1, () => ({
      durationMs: 1_000,
      obeysAfterMs: 5,
    }));
    expect(result.status).toBe(root);
    expect(result.makespanMs).toBe(45);
    const asked = result.log.flatMap(({ effect }) => (effect.type === 'cancel_leaf' ? [effect.reason] : []));
    expect(asked).toEqual([leaf]);
  });

  it('discard what an attempt reports that was given up, also after the next has ended (42)', () => {
    const nodes: DagNode[] = [{ ...n('a'), timeoutMs: 50, ...once(2) }];
    const run = new Story({
      nodes: nodes.map((node) => ({ ...node, retry: { ...node.retry!, retryOn: ['timed_out'] } })),
    });
    run.send({ type: 'leaf_started', node: 1, attempt: 1 });
    run.now = 50;
    run.timer('a', 'timeout');
    run.end('a', 'cancelled');
    run.now = 60;
    run.timer('a', 'retry');
    expect(run.row('a')).toMatchObject({ status: 'active', attempt: 2 });
    const late = { type: 'leaf_finished', node: 1, attempt: 1, outcome: 'completed' } as const;
    expect(run.send(late)).toEqual([]);
    run.end('a', 'failed');
    expect(run.send(late)).toEqual([]);
    expect(run.finished).toMatchObject({ status: 'failed', error: { path: 'a' } });
  });
});
