import { describe, expect, it } from 'vitest';
import type { Dag, DagNode } from './definition.ts';
import type { PlannerEvent } from './events.ts';
import { n, Story } from './testing/story.testsuite.ts';

const retry = { attempts: 4, backoffMs: 1_000, factor: 2, maxBackoffMs: 3_000 };

describe('cancel', () => {
  const dag: Dag = {
    maxParallel: 8,
    nodes: [
      n('a'),
      { ...n('g'), dag: { nodes: [n('x'), n('y', 'x')] } },
      n('after', 'g'),
      { ...n('r'), retry },
    ],
  };

  it('of the whole tree ends what waits at once and asks what runs to end', () => {
    const run = new Story(dag);
    run.end('r', 'failed');
    const effects = run.cancel('');
    expect(effects.filter(({ type }) => type === 'cancel_leaf')).toEqual([
      { type: 'cancel_leaf', node: 1, attempt: 1, reason: 'cancel' },
      { type: 'cancel_leaf', node: 3, attempt: 1, reason: 'cancel' },
    ]);
    expect(run.statuses()).toEqual([
      'cancelling',
      'cancelling',
      'cancelling',
      'cancelling',
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
    run.end('a', 'cancelled').end('g/x', 'failed');
    expect(run.finished).toEqual({ type: 'finished', status: 'cancelled' });
    expect(run.row('g/x')).toMatchObject({ status: 'cancelled', reason: 'enough' });
  });

  it('keeps work that was done before the kill; the group is cancelled all the same', () => {
    const run = new Story(dag);
    run.cancel('');
    run.end('a', 'completed').end('r', 'stopped').end('g/x', 'lost');
    expect(run.status('a')).toBe('completed');
    expect(run.finished?.status).toBe('cancelled');
  });

  it('of a branch leaves the others alone, skips its dependents and fails the DAG', () => {
    const run = new Story(dag);
    run.cancel('g');
    expect(run.status('g/y')).toBe('cancelled');
    run.end('g/x', 'cancelled').end('a').end('r');
    expect(run.statuses()).toEqual([
      'failed',
      'completed',
      'cancelled',
      'cancelled',
      'cancelled',
      'skipped',
      'completed',
    ]);
    expect(run.finished?.error).toEqual({
      code: 'cancelled',
      message: 'Stage "g" was cancelled: enough',
      path: 'g',
    });
  });

  it('works before the start and changes nothing the second time', () => {
    const run = new Story(dag, { isStarted: false });
    run.cancel('');
    expect(new Set(run.statuses())).toEqual(new Set(['cancelled']));
    expect(run.finished?.status).toBe('cancelled');
    expect(run.cancel('')).toEqual([]);
    expect(run.send({ type: 'start' })).toEqual([]);
  });

  it('of thousands of leaves inside groups that have not started ends those groups without deep recursion', () => {
    const groups = Array.from({ length: 4_000 }, (_, i) => ({ ...n(`g${i}`), dag: { nodes: [n('x')] } }));
    const run = new Story({ maxParallel: 1, nodes: groups }, { isStarted: false });
    for (let i = 0; i < 4_000; i++) run.cancel(`g${i}/x`);
    run.send({ type: 'start' });
    expect(run.finished?.status).toBe('failed');
  });

  it('throws for a node that is not in the plan', () => {
    const run = new Story(dag);
    expect(() => run.send({ type: 'cancel', node: 99, reason: '' })).toThrow(RangeError);
  });
});

describe('time limits', () => {
  it('count a timeout from the start of the attempt, not from the queue, and retry it only when asked to', () => {
    const run = new Story({ nodes: [{ ...n('a'), timeoutMs: 50, retry }] });
    run.now = 1_000;
    const started: PlannerEvent = { type: 'leaf_started', node: 1, attempt: 1 };
    expect(run.send(started)).toEqual([
      { type: 'set_timer', node: 1, kind: 'timeout', at: 1_050, attempt: 1 },
    ]);
    expect(run.send(started)).toEqual([]);
    run.now = 1_050;
    expect(run.timer('a', 'timeout')).toContainEqual({
      type: 'cancel_leaf',
      node: 1,
      attempt: 1,
      reason: 'timeout',
    });
    expect(run.status('a')).toBe('cancelling');
    run.end('a', 'failed');
    expect(run.row('a')).toMatchObject({ status: 'timed_out', error: { code: 'timeout' } });
    expect(run.finished?.error?.message).toBe('Stage "a" timed out: no end after 50 ms');
  });

  it('end a nested DAG at its deadline with everything in it; the rest goes on', () => {
    const inner: Dag = { deadlineMs: 100, maxParallel: 1, nodes: [n('x'), n('y'), n('z', 'y')] };
    const run = new Story({ nodes: [{ ...n('g'), dag: inner }, n('free')] });
    expect(run.log).toContainEqual({ type: 'set_timer', node: 1, kind: 'deadline', at: 100 });
    run.now = 100;
    run.timer('g', 'deadline');
    expect(run.row('g/y')).toMatchObject({ status: 'skipped', reason: 'deadline', upstream: 1 });
    run.end('g/x', 'cancelled').end('free');
    expect(run.statuses()).toEqual(['failed', 'timed_out', 'timed_out', 'skipped', 'skipped', 'completed']);
    expect(run.finished?.error?.message).toBe('Stage "g" timed out: deadline of 100 ms passed');
  });

  it('start nothing once a deadline has passed, even before its timer rings', () => {
    const run = new Story({ deadlineMs: 100, maxParallel: 1, nodes: [n('a'), n('b')] });
    run.now = 100;
    expect(run.end('a').started).toEqual(['a']);
    run.timer('', 'deadline');
    expect(run.statuses()).toEqual(['timed_out', 'completed', 'skipped']);
  });

  it('are the first failure from the moment they pass, not when everything has ended', () => {
    const run = new Story({ nodes: [{ ...n('g'), dag: { deadlineMs: 100, nodes: [n('x')] } }, n('b')] });
    run.now = 100;
    run.timer('g', 'deadline');
    run.end('b', 'failed').end('g/x', 'cancelled');
    expect(run.finished?.error).toMatchObject({ code: 'deadline', path: 'g' });
  });

  it('bound a nested deadline by the one around it', () => {
    const inner: Dag = { deadlineMs: 500, nodes: [n('x')] };
    const run = new Story({ deadlineMs: 100, nodes: [{ ...n('g'), dag: inner }] });
    const timers = run.log.filter(({ type }) => type === 'set_timer');
    expect(timers).toEqual([{ type: 'set_timer', node: 0, kind: 'deadline', at: 100 }]);
    run.now = 100;
    run.timer('', 'deadline');
    run.end('g/x', 'cancelled');
    expect(run.statuses()).toEqual(['timed_out', 'timed_out', 'timed_out']);
  });

  it('refuse a retry that would start after the deadline', () => {
    const run = new Story({ deadlineMs: 1_000, nodes: [{ ...n('a'), retry }] });
    run.end('a', 'failed');
    expect(run.row('a')).toMatchObject({ status: 'failed', attempt: 1 });
    expect(run.finished?.status).toBe('failed');
  });
});

// Scenario 9: running siblings finish or are cancelled, by policy; 10: together with maxParallel.
describe('fail_fast with onSiblings cancel', () => {
  const policy = { failPolicy: 'fail_fast', onSiblings: 'cancel' } as const;

  it('asks everything that runs to end, also in nested DAGs, and starts nothing new', () => {
    const inner: Dag = { maxParallel: 1, nodes: [n('x'), n('y'), { ...n('z', 'x'), triggerRule: 'always' }] };
    const nodes = [
      n('a'),
      n('b'),
      { ...n('g'), dag: inner },
      { ...n('clean'), triggerRule: 'always' as const },
    ];
    const run = new Story({ ...policy, maxParallel: 4, nodes: [...nodes, n('never')] });
    run.end('a', 'failed').restore();
    const asked = run.log.filter((effect) => effect.type === 'cancel_leaf');
    expect(asked.map(({ node, reason }) => [run.plan.nodes[node]?.path, reason])).toEqual([
      ['b', 'fail_fast'],
      ['g/x', 'fail_fast'],
    ]);
    run.end('b', 'failed').end('g/x', 'cancelled').end('g/z').end('clean');
    expect(run.row('b')).toMatchObject({ status: 'cancelled', reason: 'fail_fast', stopReason: 'fail_fast' });
    expect(run.row('g')).toMatchObject({ status: 'cancelled', reason: 'fail_fast', error: null });
    expect(run.row('g/y')).toMatchObject({ status: 'skipped', reason: 'fail_fast' });
    expect([run.status('g/z'), run.status('clean'), run.status('never')]).toEqual([
      'completed',
      'completed',
      'skipped',
    ]);
    expect(run.finished).toMatchObject({ status: 'failed', error: { path: 'a' } });
  });

  it('starts no more than maxParallel before, and nothing after the failure', () => {
    const run = new Story({ ...policy, maxParallel: 2, nodes: [n('a'), n('b'), n('c'), n('d')] });
    run.end('a', 'failed').end('b', 'completed');
    expect(run.started).toEqual(['a', 'b']);
    expect(run.statuses()).toEqual(['failed', 'failed', 'completed', 'skipped', 'skipped']);
  });

  it('reaches what runs in a DAG that is already failing fast from further out', () => {
    const inner: Dag = { ...policy, nodes: [n('x'), n('y')] };
    const run = new Story({ failPolicy: 'fail_fast', nodes: [n('a'), { ...n('g'), dag: inner }] });
    run.end('a', 'failed');
    expect(run.status('g/y')).toBe('active');
    run.end('g/x', 'failed');
    expect(run.status('g/y')).toBe('cancelling');
    run.end('g/y', 'cancelled');
    expect(run.row('g')).toMatchObject({ status: 'failed', error: { path: 'g/x' } });
  });
});

it('announces what became ready before its group started in the order of the definition', () => {
  const after = (of: string): DagNode => ({ ...n(`after-${of}`, of), triggerRule: 'all_done' });
  const names = ['a', 'b', 'c', 'd', 'e'];
  const inner: Dag = { nodes: [...names.map((name) => n(name)), ...names.map(after)] };
  const run = new Story({ nodes: [n('first'), { ...n('group', 'first'), dag: inner }] });
  for (const name of ['d', 'b', 'e', 'a', 'c']) run.cancel(`group/${name}`);
  run.end('first');
  const ready = run.log.flatMap((it) => (it.type === 'node_ready' ? [run.plan.nodes[it.node]!.name] : []));
  expect(ready).toEqual(['first', 'group', ...names.map((of) => `after-${of}`)]);
});
