import { describe, expect, it } from 'vitest';
import type { Dag, DagNode, Foreach } from './definition.ts';
import { nodeSnapshot } from './state.ts';
import { planOf } from './testing/random-dag.testsuite.ts';
import { simulate } from './testing/simulate.ts';
import { n, Story } from './testing/story.testsuite.ts';

const error = { code: 'invalid_items', message: 'output "files" is no list' };

function each(foreach: Foreach = {}, more: Partial<DagNode> = {}): Dag {
  const node = { ...n('each', 'a'), foreach, ...more };
  return { nodes: [n('a'), node, n('join', 'each'), { ...n('any', 'each'), triggerRule: 'none_failed' }] };
}

// Scenarios 21 to 25 of the edge cases: maps over lists of every size, partial failure, nesting, joins.
describe('foreach', () => {
  it('asks for its items when it is ready, and its dependents wait for the end of all', () => {
    const run = new Story(each());
    expect(run.asked).toEqual([]);
    run.end('a');
    expect(run.asked).toEqual(['each']);
    expect(run.status('each')).toBe('pending');
    run.expand('each', 2);
    expect(run.row('each')).toMatchObject({ status: 'active', attempt: 1 });
    run.end('each[1]');
    expect(run.status('join')).toBe('pending');
    run.end('each[0]').end('join').end('any');
    expect(run.started).toEqual(['a', 'each[0]', 'each[1]', 'join', 'any']);
    expect(run.finished?.status).toBe('completed');
  });

  it.each([
    { emptyAs: undefined, each: 'skipped', join: 'skipped', any: 'active' },
    { emptyAs: 'skipped', each: 'skipped', join: 'skipped', any: 'active' },
    { emptyAs: 'completed', each: 'completed', join: 'active', any: 'active' },
  ] as const)('over no items ends as told: $emptyAs', ({ emptyAs, ...expected }) => {
    const run = new Story(each(emptyAs && { emptyAs }));
    run.end('a').expand('each', 0);
    const { each: node, join, any } = expected;
    expect([run.status('each'), run.status('join'), run.status('any')]).toEqual([node, join, any]);
    expect(run.row('each').reason).toBe(node === 'skipped' ? 'empty' : null);
    run.restore();
    expect(run.end('join').end('any').finished?.status).toBe('completed');
  });

  it('over one item runs it once', () => {
    const run = new Story(each());
    run.end('a').expand('each', 1).expand('each', 5).end('each[0]').end('join').end('any');
    expect(run.started).toEqual(['a', 'each[0]', 'join', 'any']);
  });

  it.each([
    ['something that is no list', { error }, 'output "files" is no list'],
    ['more items than allowed', 4, 'foreach has 4 items, more than its maxItems of 3'],
    ['half an item', 0.5, 'foreach was given 0.5 items'],
    ['more nodes than a run may have', 3, 'more than 6; use fewer items'],
  ])('over %s fails with a message', (_, count, message) => {
    const dag: Dag = { nodes: [{ ...n('each'), foreach: { maxItems: 3 }, dag: { nodes: [n('x')] } }] };
    const run = new Story(dag, { maxExpandedNodes: 6 });
    run.expand('each', count as number);
    expect(run.row('each')).toMatchObject({ status: 'failed', attempt: 0, error: { path: 'each' } });
    expect(run.finished?.error?.message).toContain(message);
  });

  it.each([
    { failurePolicy: 'all', failures: 0, status: 'completed' },
    { failurePolicy: 'all', failures: 1, status: 'failed' },
    { failurePolicy: 'any', failures: 3, status: 'completed' },
    { failurePolicy: 'any', failures: 4, status: 'failed' },
    { failurePolicy: { maxFailures: 2 }, failures: 2, status: 'completed' },
    { failurePolicy: { maxFailures: 2 }, failures: 3, status: 'failed' },
  ] as const)(
    'with $failures of 4 failed and policy $failurePolicy ends $status',
    ({ failurePolicy, ...it }) => {
      const run = new Story(each({ failurePolicy }));
      run.end('a').expand('each', 4);
      for (let item = 0; item < 4; item++) {
        run.end(`each[${item}]`, item < it.failures ? 'failed' : 'completed', {
          code: 'exit',
          message: `${item}`,
        });
        run.restore();
      }
      expect(run.status('each')).toBe(it.status);
      expect(run.status('join')).toBe(it.status === 'failed' ? 'skipped' : 'active');
      const last = it.failures - 1;
      if (it.status === 'failed')
        expect(run.row('').error?.message).toBe(`Stage "each[${last}]" failed: ${last}`);
      else expect(run.row('').error).toBeNull();
    },
  );

  it('blames what failed deep inside an item once that is too much', () => {
    const dag = { nodes: [n('x')] };
    const run = new Story(each({ failurePolicy: { maxFailures: 1 } }, { dag }));
    run.end('a').expand('each', 2).end('each[0]/x', 'failed');
    expect(run.row('each').error).toBeNull();
    run.end('each[1]/x', 'failed');
    expect(run.row('each').error).toMatchObject({ path: 'each[1]/x' });
    run.restore();
    expect(run.row('').error?.message).toBe('Stage "each[1]/x" failed: no reason was given');
  });

  it('keeps to its own maxParallel, tries items again and times them out one by one', () => {
    const retry = { attempts: 2, backoffMs: 10, factor: 1, maxBackoffMs: 10 };
    const dag: Dag = { nodes: [{ ...n('each'), foreach: { maxParallel: 2 }, retry, timeoutMs: 30 }] };
    const result = simulate(planOf(dag), {
      items: () => ({ result: { count: 3 } }),
      attempt: ({ item }, attempt) => {
        if (item === 0) return { durationMs: 20, outcome: attempt === 1 ? 'failed' : 'completed' };
        return { durationMs: item === 1 ? 40 : 5 };
      },
    });
    const statuses = [1, 2, 3, 4].map((index) => nodeSnapshot(result.state, index).status);
    expect(statuses).toEqual(['failed', 'completed', 'timed_out', 'completed']);
    expect(result.runs.map(({ node, startAt }) => [node, startAt])).toEqual([
      [2, 0],
      [4, 20],
      [3, 0],
      [2, 30],
    ]);
  });

  it('runs three deep, inside nested DAGs, with conditions in between', () => {
    const inner: Dag = { nodes: [{ ...n('c'), foreach: {} }, n('after', 'c')] };
    const middle: Dag = { nodes: [{ ...n('b'), foreach: {}, condition: true, dag: inner }] };
    const run = new Story({
      nodes: [{ ...n('g'), dag: { nodes: [{ ...n('a'), foreach: {}, dag: middle }] } }],
    });
    run.expand('g/a', 2).condition('g/a[0]/b', true).condition('g/a[1]/b', false);
    run.expand('g/a[0]/b', 2).restore();
    run.expand('g/a[0]/b[0]/c', 1).expand('g/a[0]/b[1]/c', 0).restore();
    run.end('g/a[0]/b[0]/c[0]').end('g/a[0]/b[0]/after');
    expect(run.row('g/a[0]/b[1]/after')).toMatchObject({ status: 'skipped', reason: 'upstream_skipped' });
    expect(run.row('g/a[1]/b')).toMatchObject({ status: 'skipped', reason: 'condition' });
    expect(run.finished?.status).toBe('completed');
    expect(run.itemsAround('g/a[0]/b[0]/c[0]')).toEqual([0, 0, 0]);
    expect(run.itemsAround('g/a[1]/b')).toEqual([1]);
  });

  it('gives items the numbers behind all others in the order of the expansions', () => {
    const nodes = [{ ...n('p'), foreach: {} }, { ...n('q'), foreach: {}, dag: { nodes: [n('x')] } }, n('r')];
    const run = new Story({ nodes });
    run.expand('q', 2).expand('p', 1);
    expect(run.plan.nodes.map(({ path }) => path)).toEqual([
      ...['', 'p', 'q', 'r'],
      ...['q[0]', 'q[0]/x', 'q[1]', 'q[1]/x'],
      'p[0]',
    ]);
    expect(run.plan.nodes.map(({ source }) => source)).toEqual([0, 1, 2, 4, 2, 3, 2, 3, 1]);
    expect(run.plan.nodes[2]?.children).toEqual([4, 6]);
  });

  it('is cancelled, failed fast and skipped with all its items', () => {
    const nodes = [n('a'), { ...n('each'), foreach: { maxParallel: 1 }, dag: { nodes: [n('x')] } }];
    const cancelled = new Story({ nodes });
    cancelled.expand('each', 3).cancel('each');
    expect(cancelled.statuses().slice(2)).toEqual([
      'cancelling',
      ...twice('cancelling'),
      ...fourTimes('cancelled'),
    ]);
    cancelled.end('each[0]/x', 'cancelled').end('a');
    expect(cancelled.finished?.status).toBe('failed');

    const fast = new Story({ failPolicy: 'fail_fast', nodes });
    fast.expand('each', 3).end('a', 'failed').end('each[0]/x');
    expect(fast.row('each[2]/x')).toMatchObject({ status: 'skipped', reason: 'fail_fast' });
    expect(fast.row('each')).toMatchObject({ status: 'cancelled', reason: 'fail_fast' });
  });

  it('of one cancelled item goes on with the others', () => {
    const run = new Story(each({ failurePolicy: { maxFailures: 1 } }));
    run.end('a').expand('each', 2);
    run.cancel('each[0]');
    run.end('each[0]', 'cancelled').end('each[1]');
    expect(run.status('each')).toBe('completed');
  });

  it('is asked for again after a restart, until it has its items', () => {
    const run = new Story({ nodes: [{ ...n('each'), foreach: {}, condition: true }] });
    expect(run.restore()).toEqual([{ type: 'evaluate_condition', node: 1 }]);
    run.condition('each', true);
    expect(run.restore()).toEqual([{ type: 'expand', node: 1 }]);
    run.expand('each', 1);
    expect(run.restore()).toEqual([]);
    expect(run.end('each[0]').finished?.status).toBe('completed');
  });

  it('runs 10,000 items, and refuses one more', () => {
    const plan = planOf({ nodes: [{ ...n('each'), foreach: { maxParallel: 64 } }] });
    const of = (count: number) =>
      simulate(plan, { items: () => ({ result: { count } }), attempt: () => ({ durationMs: 1 }) });
    expect(of(10_000)).toMatchObject({ status: 'completed', runs: { length: 10_000 } });
    expect(of(10_001)).toMatchObject({ status: 'failed', error: { code: 'too_many_items' } });
  });
});

function twice<T>(value: T): T[] {
  return [value, value];
}

function fourTimes<T>(value: T): T[] {
  return [...twice(value), ...twice(value)];
}
