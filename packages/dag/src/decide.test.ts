import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import { n, Story } from './testing/story.testsuite.ts';

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

  it('hands out again what was never delivered, ten times beside all budgets, and then counts it as lost', () => {
    const run = new Story({ nodes: [{ ...n('a'), retry: { ...retry, attempts: 2, backoffMs: 0 } }] });
    run.end('a', 'lost').end('a', 'failed');
    for (let time = 1; time <= 10; time += 1) run.end('a', 'undelivered');
    expect(run.row('a')).toMatchObject({ status: 'active', attempt: 13, lostCount: 1, undeliveredCount: 10 });
    run.end('a', 'undelivered').end('a', 'undelivered');
    expect(run.row('a')).toMatchObject({ status: 'active', attempt: 15, lostCount: 3 });
    run.end('a', 'undelivered');
    expect(run.row('a')).toMatchObject({ status: 'failed', attempt: 15, error: { code: 'lost' } });
  });

  it('cancels what was never delivered when a fail-fast has begun: it did not fail', () => {
    const run = new Story({ failPolicy: 'fail_fast', nodes: [n('a'), n('b')] });
    run.end('a', 'failed').end('b', 'undelivered');
    expect(run.row('b')).toMatchObject({ status: 'cancelled', reason: 'fail_fast' });
    expect(run.row('')).toMatchObject({ status: 'failed', error: { path: 'a' } });
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
