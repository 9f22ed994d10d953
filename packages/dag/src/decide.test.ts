import { describe, expect, it } from 'vitest';
import { decide } from './decide.ts';
import type { Dag } from './definition.ts';
import type { Effect, NodeError, Outcome, PlannerEvent } from './events.ts';
import type { Plan } from './plan.ts';
import { restoreState } from './restore.ts';
import { initialState, nodeSnapshot } from './state.ts';
import { planOf } from './testing/random-dag.testsuite.ts';

const retry = { attempts: 4, backoffMs: 1_000, factor: 2, maxBackoffMs: 3_000 };

describe('dependencies', () => {
  it('start the join of a diamond once, after both branches', () => {
    const run = new Story({ nodes: [n('a'), n('b', 'a'), n('c', 'a'), n('d', 'b', 'c')] });
    run.end('a').end('b');
    expect(run.status('d')).toBe('pending');
    expect(run.end('c').started).toEqual(['a', 'b', 'c', 'd']);
    run.end('d');
    expect(run.finished).toEqual({ type: 'finished', status: 'completed' });
  });

  it('count stopped as success', () => {
    const run = new Story({ nodes: [n('a'), n('b', 'a')] });
    run.end('a', 'stopped').end('b');
    expect(run.status('')).toBe('completed');
    expect(run.status('a')).toBe('stopped');
  });

  it('let higher priority start first and never exceed maxParallel', () => {
    const run = new Story({
      maxParallel: 1,
      nodes: [n('low'), { ...n('high'), priority: 2 }, { ...n('middle'), priority: 1 }, n('low2')],
    });
    run.end('high').end('middle').end('low').end('low2');
    expect(run.started).toEqual(['high', 'middle', 'low', 'low2']);
  });
});

describe('failure', () => {
  it('skips what depends on it with the cause, and lets the rest go on', () => {
    const run = new Story({ nodes: [n('a'), n('b', 'a'), n('c', 'b'), n('x'), n('y', 'x')] });
    run.end('a', 'failed').end('x').end('y');
    expect(run.effectsOn('c')).toEqual([
      { type: 'node_status', node: 3, status: 'skipped', reason: 'upstream_failed', upstream: 1 },
    ]);
    expect(run.statuses()).toEqual(['failed', 'failed', 'skipped', 'skipped', 'completed', 'completed']);
  });

  it('skips everything inside a nested DAG that depends on it', () => {
    const run = new Story({ nodes: [n('a'), { ...n('g', 'a'), dag: { nodes: [n('x'), n('y', 'x')] } }] });
    run.end('a', 'failed');
    expect(run.statuses()).toEqual(['failed', 'failed', 'skipped', 'skipped', 'skipped']);
  });

  it('keeps the first error for the DAG and each error on its own node', () => {
    const run = new Story({ nodes: [n('a'), n('b'), n('c')] });
    run.end('b', 'failed', { code: 'exit', message: 'exit code 3' });
    run.end('a', 'failed', { code: 'oom', message: 'out of memory' }).end('c', 'failed');
    const error = { code: 'exit', message: 'Stage "b" failed: exit code 3', path: 'b' };
    expect(run.finished).toEqual({ type: 'finished', status: 'failed', error });
    expect(run.row('a').error).toEqual({ code: 'oom', message: 'out of memory', path: 'a' });
    expect(run.row('c').error).toEqual({ code: 'failed', message: 'no reason was given', path: 'c' });
  });

  it('under fail_fast starts nothing more, also inside nested DAGs, and lets running leaves finish', () => {
    const run = new Story({
      failPolicy: 'fail_fast',
      maxParallel: 3,
      nodes: [n('a'), { ...n('g'), dag: { nodes: [n('x'), n('y', 'x')] } }, n('b'), n('never')],
    });
    run.end('a', 'failed');
    expect(run.status('never')).toBe('skipped');
    expect(run.row('g/y')).toMatchObject({ status: 'skipped', reason: 'fail_fast', upstream: 1 });
    expect(run.status('g/x')).toBe('active');
    run.end('g/x').end('b');
    expect(run.status('b')).toBe('completed');
    expect(run.row('g')).toMatchObject({ status: 'cancelled', reason: 'fail_fast', error: null });
    expect(run.finished?.status).toBe('failed');
    expect(run.started).toEqual(['a', 'b', 'g/x']);
  });

  it('under fail_fast gives up waiting for a retry and keeps that error', () => {
    const run = new Story({ failPolicy: 'fail_fast', nodes: [{ ...n('a'), retry }, n('b')] });
    run.end('a', 'failed', { code: 'exit', message: 'exit code 9' }).end('b', 'failed');
    expect(run.row('a')).toMatchObject({ status: 'failed', error: { message: 'exit code 9' } });
    expect(run.finished?.status).toBe('failed');
  });
});

describe('fail_fast around nested DAGs', () => {
  const inner: Dag = { maxParallel: 1, nodes: [{ ...n('x'), retry }, n('y')] };
  const dag: Dag = {
    failPolicy: 'fail_fast',
    nodes: [n('a'), { ...n('outer'), dag: { nodes: [{ ...n('inner'), dag: inner }] } }],
  };

  it('cuts every level short as cancelled when nothing failed inside', () => {
    const run = new Story(dag);
    run.end('a', 'failed').end('outer/inner/x');
    expect(run.row('outer/inner')).toMatchObject({ status: 'cancelled', reason: 'fail_fast', error: null });
    expect(run.row('outer')).toMatchObject({ status: 'cancelled', reason: 'fail_fast', error: null });
    expect(run.finished?.error?.path).toBe('a');
  });

  it('calls the levels failed around a leaf that was waiting to try again', () => {
    const run = new Story(dag);
    run.end('outer/inner/x', 'failed', { code: 'exit', message: 'exit code 9' });
    run.end('a', 'failed').end('outer/inner/y');
    const error = {
      code: 'exit',
      message: 'Stage "outer/inner/x" failed: exit code 9',
      path: 'outer/inner/x',
    };
    expect(run.row('outer/inner')).toMatchObject({ status: 'failed', error });
    expect(run.row('outer')).toMatchObject({ status: 'failed', error });
    expect(run.finished?.error?.path).toBe('a');
  });

  it('is remembered by a restored state', () => {
    const run = new Story(dag);
    run.end('a', 'failed').restore();
    run.end('outer/inner/x', 'failed');
    expect(run.row('outer/inner/x')).toMatchObject({ status: 'failed', attempt: 1 });
    expect(run.finished?.status).toBe('failed');
  });
});

describe('retry', () => {
  it('makes four attempts with growing, capped back-off', () => {
    const run = new Story({ nodes: [{ ...n('a'), retry }] });
    const waits = [1, 2, 3].map(() => {
      run.end('a', 'failed');
      const { retryAt } = run.row('a');
      const waitMs = retryAt! - run.now;
      run.now = retryAt!;
      run.timer('a', 'retry');
      return waitMs;
    });
    expect(waits).toEqual([1_000, 2_000, 3_000]);
    run.end('a', 'failed');
    expect(run.row('a')).toMatchObject({ status: 'failed', attempt: 4 });
  });

  it('frees the place while it waits', () => {
    const run = new Story({ maxParallel: 1, nodes: [{ ...n('a'), retry }, n('b')] });
    run.end('a', 'failed');
    expect(run.started).toEqual(['a', 'b']);
    run.now = 1_000;
    run.timer('a', 'retry');
    expect(run.status('a')).toBe('waiting_retry');
    expect(run.end('b').started).toEqual(['a', 'b', 'a']);
  });

  it('sets a timer again that rings too early', () => {
    const run = new Story({ nodes: [{ ...n('a'), retry }] });
    run.end('a', 'failed');
    run.now = 999;
    expect(run.timer('a', 'retry')).toEqual([
      { type: 'set_timer', node: 1, kind: 'retry', at: 1_000, attempt: 1 },
    ]);
  });

  it('hands a lost leaf out three more times, beside its own tries, then fails it as lost', () => {
    const run = new Story({ nodes: [{ ...n('a'), retry: { ...retry, attempts: 2, backoffMs: 0 } }] });
    run.end('a', 'lost').end('a', 'failed').end('a', 'lost').end('a', 'lost');
    expect(run.row('a')).toMatchObject({ status: 'active', attempt: 5, lostCount: 3 });
    run.end('a', 'lost');
    expect(run.row('a')).toMatchObject({
      status: 'failed',
      attempt: 5,
      lostCount: 4,
      error: { code: 'lost' },
    });
  });

  it('ignores what a former attempt reports', () => {
    const run = new Story({ nodes: [{ ...n('a'), retry: { ...retry, backoffMs: 0 } }] });
    run.end('a', 'failed');
    for (const outcome of ['completed', 'failed', 'lost'] as const) {
      expect(run.send({ type: 'leaf_finished', node: 1, attempt: 1, outcome })).toEqual([]);
    }
    expect(run.send({ type: 'leaf_started', node: 1, attempt: 1 })).toEqual([]);
    expect(run.row('a')).toMatchObject({ status: 'active', attempt: 2, startedAt: null });
  });
});

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
    const run = new Story(dag, false);
    run.cancel('');
    expect(new Set(run.statuses())).toEqual(new Set(['cancelled']));
    expect(run.finished?.status).toBe('cancelled');
    expect(run.cancel('')).toEqual([]);
    expect(run.send({ type: 'start' })).toEqual([]);
  });

  it('of thousands of leaves inside groups that have not started ends those groups without deep recursion', () => {
    const groups = Array.from({ length: 4_000 }, (_, i) => ({ ...n(`g${i}`), dag: { nodes: [n('x')] } }));
    const run = new Story({ maxParallel: 1, nodes: groups }, false);
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
  it('count a timeout from the start of the attempt, not from the queue, and never retry it', () => {
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

function n(name: string, ...dependsOn: string[]) {
  return { name, dependsOn };
}

/** A run told event by event, with paths instead of numbers. */
class Story {
  now = 0;
  readonly plan: Plan;
  readonly log: Effect[] = [];
  #state;

  constructor(dag: Dag, isStarted = true) {
    this.plan = planOf(dag);
    this.#state = initialState(this.plan);
    if (isStarted) this.send({ type: 'start' });
  }

  send(event: PlannerEvent): readonly Effect[] {
    const { state, effects } = decide(this.plan, this.#state, event, this.now);
    this.#state = state;
    this.log.push(...effects);
    return effects;
  }

  end(path: string, outcome: Outcome = 'completed', error?: NodeError): this {
    const { node, attempt } = this.row(path);
    this.send({ type: 'leaf_finished', node, attempt, outcome, ...(error && { error }) });
    return this;
  }

  cancel(path: string): readonly Effect[] {
    return this.send({ type: 'cancel', node: this.row(path).node, reason: 'enough' });
  }

  timer(path: string, kind: 'retry' | 'timeout' | 'deadline'): readonly Effect[] {
    const { node, attempt } = this.row(path);
    return this.send({ type: 'timer', node, kind, ...(kind !== 'deadline' && { attempt }) });
  }

  restore(): void {
    const rows = this.plan.nodes.map(({ index }) => nodeSnapshot(this.#state, index));
    this.#state = restoreState(this.plan, rows, this.now).state;
  }

  row(path: string) {
    return nodeSnapshot(this.#state, this.plan.indexByPath.get(path)!);
  }

  status(path: string) {
    return this.row(path).status;
  }

  statuses() {
    return this.plan.nodes.map(({ path }) => this.status(path));
  }

  effectsOn(path: string) {
    const index = this.plan.indexByPath.get(path);
    return this.log.filter((effect) => 'node' in effect && effect.node === index);
  }

  get started() {
    return this.log.flatMap((it) => (it.type === 'start_leaf' ? [this.plan.nodes[it.node]!.path] : []));
  }

  get finished() {
    return this.log.find((it) => it.type === 'finished');
  }
}
