import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import type { Effect } from './events.ts';
import { n, Story } from './testing/story.testsuite.ts';

const kinds = (effects: readonly Effect[]) => effects.map(({ type }) => type);

function pause(run: Story, path: string): readonly Effect[] {
  return run.send({ type: 'pause', node: run.row(path).node });
}

function resume(run: Story, path: string): readonly Effect[] {
  return run.send({ type: 'resume', node: run.row(path).node });
}

function start(run: Story, path: string): void {
  const { node, attempt } = run.row(path);
  run.send({ type: 'leaf_started', node, attempt });
}

describe('pause', () => {
  const dag: Dag = {
    deadlineMs: 10_000,
    nodes: [
      { ...n('a'), timeoutMs: 1_000 },
      n('b', 'a'),
      { ...n('g'), dag: { deadlineMs: 5_000, nodes: [n('x'), n('y', 'x')] } },
    ],
  };

  it('of a whole run halts what runs and starts nothing more until it goes on', () => {
    const run = new Story(dag);
    const told = pause(run, '').filter(({ type }) => type === 'pause_node');
    expect(told.map((it) => run.plan.nodes[(it as { node: number }).node]!.path)).toEqual([
      '',
      'a',
      'g',
      'g/x',
    ]);
    run.end('a').end('g/x');
    expect(run.started).toEqual(['a', 'g/x']);
    resume(run, '');
    expect(run.started.toSorted()).toEqual(['a', 'b', 'g/x', 'g/y']);
  });

  it('of one stage leaves the others alone', () => {
    const run = new Story(dag);
    pause(run, 'a');
    run.end('g/x');
    expect(run.started).toContain('g/y');
    expect(run.row('g/x').isPaused ?? false).toBe(false);
  });

  it('of a stage that has not started keeps it from starting', () => {
    const run = new Story(dag);
    pause(run, 'b');
    run.end('a');
    expect(run.status('b')).toBe('pending');
    resume(run, 'b');
    expect(run.status('b')).toBe('active');
  });

  it('counts against neither timeout nor deadline', () => {
    const run = new Story(dag);
    start(run, 'a');
    run.now = 900;
    pause(run, 'a');
    run.now = 60_000;
    for (const kind of ['timeout', 'deadline'] as const) run.timer(kind === 'timeout' ? 'a' : '', kind);
    expect(run.status('a')).toBe('active');
    expect(run.status('')).toBe('active');
    const timers = resume(run, 'a').filter(({ type }) => type === 'set_timer');
    // 100 ms of its timeout are left, and 9,100 ms of the deadline of the run.
    expect(timers).toEqual(
      expect.arrayContaining([
        { type: 'set_timer', node: 0, kind: 'deadline', at: 69_100 },
        { type: 'set_timer', node: 1, kind: 'timeout', at: 60_100, attempt: 1 },
      ]),
    );
    run.now = 60_100;
    run.timer('a', 'timeout');
    expect(run.status('a')).toBe('cancelling');
  });

  it('of a branch lets the deadlines of branches beside it go on', () => {
    const run = new Story(dag);
    pause(run, 'a');
    run.now = 5_000;
    run.timer('g', 'deadline');
    expect(run.status('g')).toBe('cancelling');
    expect(run.status('')).toBe('active');
  });

  it('of a stage that waits for a place stops no clock until its turn has come', () => {
    const nodes = [n('a'), n('b'), n('c', 'a')];
    const run = new Story({ deadlineMs: 100, maxParallel: 1, nodes });
    pause(run, 'c');
    run.now = 40;
    run.end('a');
    expect(run.started).toEqual(['a', 'b']);
    expect(run.row('').pausedAt ?? null).toBeNull();
    run.now = 60;
    run.end('b');
    expect(run.row('').pausedAt).toBe(60);
  });

  it('that ends with what was paused starts nothing when the deadline has come meanwhile', () => {
    const nodes = [{ ...n('g'), dag: { nodes: [n('x')] } }, n('y', 'g')];
    const run = new Story({ deadlineMs: 30, nodes });
    run.now = 30;
    pause(run, 'g');
    run.end('g/x');
    expect(run.status('g')).toBe('completed');
    expect(run.started).toEqual(['g/x']);
    run.timer('', 'deadline');
    expect(run.finished?.status).toBe('timed_out');
  });

  it('after a deadline gives nothing a new try that would never begin', () => {
    const retry = { attempts: 3, backoffMs: 5, factor: 2, maxBackoffMs: 15, retryOn: ['timeout'] };
    const last = { ...n('last'), triggerRule: 'always' as const, timeoutMs: 4, retry };
    const run = new Story({ nodes: [{ ...n('g'), dag: { deadlineMs: 4, nodes: [last, n('x')] } }] });
    start(run, 'g/last');
    run.now = 7;
    run.timer('g/last', 'timeout');
    run.timer('g', 'deadline');
    pause(run, '');
    run.end('g/last', 'cancelled').end('g/x', 'cancelled');
    expect(run.status('g/last')).toBe('timed_out');
    run.now = 8;
    resume(run, '');
    expect(run.finished).toBeDefined();
  });

  it('survives a restart of its server, with what is left of the time', () => {
    const run = new Story(dag);
    start(run, 'a');
    run.now = 400;
    pause(run, '');
    run.now = 10_400;
    run.restore();
    run.end('g/x');
    expect(run.started).not.toContain('g/y');
    const timers = resume(run, '').filter((it) => it.type === 'set_timer' && it.kind === 'timeout');
    expect(timers).toMatchObject([{ at: 11_000 }]);
    expect(run.started).toContain('g/y');
  });

  it('ends with a cancel', () => {
    const run = new Story(dag);
    pause(run, '');
    const effects = run.cancel('');
    expect(kinds(effects).filter((type) => type === 'cancel_leaf')).toHaveLength(2);
    run.end('a', 'cancelled').end('g/x', 'cancelled');
    expect(run.finished?.status).toBe('cancelled');
  });

  it('asked for twice, or of what has ended, changes nothing', () => {
    const run = new Story(dag);
    pause(run, 'a');
    expect(pause(run, 'a')).toEqual([]);
    resume(run, 'a');
    expect(resume(run, 'a')).toEqual([]);
    run.end('a');
    expect(pause(run, 'a')).toEqual([]);
  });
});

describe('a leaf that gave its place back', () => {
  const retry = { attempts: 1, backoffMs: 0, factor: 1, maxBackoffMs: 0 };
  const dag: Dag = { maxParallel: 1, nodes: [{ ...n('a'), retry }, n('b')] };

  it('lets another start, and goes on in a new attempt that is no retry', () => {
    const run = new Story(dag);
    pause(run, 'a');
    run.end('a', 'released');
    expect(run.row('a')).toMatchObject({ status: 'waiting_retry', reason: 'released', error: null });
    expect(run.started).toEqual(['a', 'b']);
    run.end('b');
    expect(run.status('')).toBe('active');
    resume(run, 'a');
    expect(run.row('a')).toMatchObject({ status: 'active', attempt: 2 });
    run.end('a', 'failed');
    expect(run.row('a')).toMatchObject({ status: 'failed', attempt: 2 });
  });
});
