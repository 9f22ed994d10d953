import { describe, expect, it } from 'vitest';
import type { Dag, DagNode } from './definition.ts';
import { n, Story } from './testing/story.testsuite.ts';
import { validate } from './validate.ts';

const tell = (...dependsOn: string[]): DagNode => ({
  ...n('tell', ...dependsOn),
  triggerRule: 'always',
  outlivesDeadline: true,
});

/** Lets the deadline of a DAG pass. */
function pass(run: Story, path: string, at: number): Story {
  run.now = at;
  run.timer(path, 'deadline');
  return run;
}

describe('a node that outlives deadlines', () => {
  it('runs when the deadline has ended what it waits for, and the DAG ends as it would have', () => {
    const run = new Story({ deadlineMs: 100, nodes: [n('work'), n('late', 'work'), tell('work', 'late')] });
    pass(run, '', 100);
    expect(run.started).toEqual(['work']);
    run.end('work', 'cancelled');
    expect(run.started).toEqual(['work', 'tell']);
    expect([run.status('late'), run.status('')]).toEqual(['skipped', 'cancelling']);
    run.now = 500;
    run.end('tell');
    expect([run.status('tell'), run.status('')]).toEqual(['completed', 'timed_out']);
  });

  it('goes on when the deadline passes while it runs, unlike another node with the rule always', () => {
    const run = new Story({
      deadlineMs: 100,
      nodes: [n('work'), tell('work'), { ...n('tidy', 'work'), triggerRule: 'always' }],
    });
    run.end('work');
    pass(run, '', 100);
    expect([run.status('tell'), run.status('tidy')]).toEqual(['active', 'cancelling']);
  });

  it('is not held up by what stood before it in the queue and has been ended', () => {
    const first: DagNode = { ...n('first'), priority: 1 };
    const run = new Story({ maxParallel: 1, deadlineMs: 100, nodes: [n('work'), first, tell()] });
    expect(run.started).toEqual(['first']);
    run.end('first');
    pass(run, '', 100);
    run.end('work', 'cancelled').end('tell');
    expect([run.status('tell'), run.finished?.status]).toEqual(['completed', 'timed_out']);
    const behind: DagNode = { ...n('behind'), priority: 1, dependsOn: ['short'] };
    const other = new Story({
      maxParallel: 2,
      deadlineMs: 100,
      nodes: [n('work'), n('short'), behind, { ...n('more', 'short'), priority: 2 }, tell('short')],
    });
    other.end('short');
    expect(other.started).toEqual(['work', 'short', 'more']);
    pass(other, '', 100);
    other.end('work', 'cancelled').end('more', 'cancelled');
    expect(other.started.at(-1)).toBe('tell');
    expect(other.end('tell').finished?.status).toBe('timed_out');
  });

  it('of an inner DAG outlives the deadline of an outer one', () => {
    const inner: Dag = { nodes: [n('work'), tell('work')] };
    const run = new Story({ deadlineMs: 100, nodes: [{ name: 'inner', dag: inner }, tell('inner')] });
    pass(run, '', 100);
    run.end('inner/work', 'cancelled');
    expect(run.started).toEqual(['inner/work', 'inner/tell']);
    run.end('inner/tell');
    expect(run.started).toEqual(['inner/work', 'inner/tell', 'tell']);
    expect(run.end('tell').status('')).toBe('timed_out');
  });

  it('as a DAG of its own runs to its end, bounded by its own deadline only', () => {
    const own: DagNode = { ...tell('work'), dag: { deadlineMs: 50, nodes: [n('one'), n('two', 'one')] } };
    const run = new Story({ deadlineMs: 100, nodes: [n('work'), own] });
    pass(run, '', 100);
    run.end('work', 'cancelled').end('tell/one');
    expect(run.status('tell/two')).toBe('active');
    pass(run, 'tell', 150);
    expect(run.status('tell/two')).toBe('cancelling');
  });

  it('is tried again after the deadline, and has its place in a restored run', () => {
    const retry = { attempts: 2, backoffMs: 0, factor: 1, maxBackoffMs: 0 };
    const run = new Story({ deadlineMs: 100, nodes: [n('work'), { ...tell('work'), retry }] });
    pass(run, '', 100);
    run.end('work', 'cancelled');
    run.restore();
    run.now = 300;
    run.end('tell', 'failed');
    expect(run.started).toEqual(['work', 'tell', 'tell']);
    run.restore();
    expect(run.end('tell').status('')).toBe('timed_out');
  });

  it('does not run in a DAG that never started', () => {
    const inner: Dag = { nodes: [n('work'), tell('work')] };
    const run = new Story({ deadlineMs: 100, nodes: [n('first'), { ...n('inner', 'first'), dag: inner }] });
    pass(run, '', 100);
    run.end('first', 'cancelled');
    expect([run.status('inner/tell'), run.status('')]).toEqual(['skipped', 'timed_out']);
  });

  it('needs the rule always', () => {
    const refused = validate({ nodes: [{ ...n('a'), outlivesDeadline: true }] });
    expect(refused.ok ? [] : refused.faults).toMatchObject([{ path: ['nodes', 0, 'outlivesDeadline'] }]);
  });
});
