import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import { runDag } from './run-dag.ts';
import { n, Story } from './testing/story.testsuite.ts';

const error = { code: 'condition', message: 'no output "loss"' };

// Scenarios 17, 18 and 23: a false condition skips, a broken one fails, and nobody is asked twice.
describe('a condition', () => {
  const nodes = [
    n('a'),
    { ...n('b', 'a'), condition: true },
    n('after', 'b'),
    { ...n('tolerant', 'b'), triggerRule: 'none_failed' as const },
    { ...n('alarm', 'b'), triggerRule: 'one_failed' as const },
  ];

  it('is asked for once the dependencies allow it, and the node waits for the answer', () => {
    const run = new Story({ nodes });
    expect(run.asked).toEqual([]);
    run.end('a');
    expect(run.asked).toEqual(['b']);
    expect(run.status('b')).toBe('pending');
    expect(run.effectsOn('b')).toEqual([]);
    run.condition('b', true);
    expect(run.started).toEqual(['a', 'b']);
    expect(run.condition('b', false).status('b')).toBe('active');
  });

  it('that is false skips the node and all that needs its success; the DAG is completed', () => {
    const run = new Story({ nodes });
    run.end('a').condition('b', false).condition('b', true);
    expect(run.row('b')).toMatchObject({ status: 'skipped', reason: 'condition', upstream: null });
    expect(run.row('after')).toMatchObject({ reason: 'upstream_skipped', upstream: 2 });
    expect(run.row('alarm')).toMatchObject({ reason: 'trigger_rule' });
    expect(run.end('tolerant').finished).toEqual({ type: 'finished', status: 'completed' });
  });

  it('that cannot be evaluated fails the node without an attempt', () => {
    const run = new Story({ nodes });
    run.end('a').condition('b', { error });
    expect(run.row('b')).toMatchObject({ status: 'failed', attempt: 0, error: { ...error, path: 'b' } });
    expect(run.row('after')).toMatchObject({ reason: 'upstream_failed' });
    run.end('alarm');
    expect(run.finished?.error?.message).toBe('Stage "b" failed: no output "loss"');
  });

  it('of a nested DAG ends everything inside it with it', () => {
    const dag: Dag = { nodes: [n('x'), n('y', 'x')] };
    const ended = ([false, 'not_needed', { error }] as const).map((result) => {
      const run = new Story({ nodes: [{ ...n('g'), condition: true, dag }] });
      run.condition('g', result);
      return [run.finished?.status, ...['g', 'g/x', 'g/y'].map((it) => run.row(it).reason ?? run.status(it))];
    });
    expect(ended).toEqual([
      ['completed', 'condition', 'condition', 'condition'],
      ['completed', 'not_needed', 'not_needed', 'not_needed'],
      ['failed', 'failed', 'upstream_failed', 'upstream_failed'],
    ]);
  });

  it('inside a nested DAG is asked for only after that has started', () => {
    const dag: Dag = { nodes: [n('x'), { ...n('y'), condition: true }, { ...n('z', 'y'), condition: true }] };
    const run = new Story({ nodes: [n('a'), { ...n('g', 'a'), dag }] });
    run.condition('g/y', false);
    expect([run.asked, run.status('g/y')]).toEqual([[], 'pending']);
    run.end('a');
    expect(run.asked).toEqual(['g/y']);
    run.condition('g/z', true).condition('g/y', true);
    expect(run.end('g/y').asked).toEqual(['g/y', 'g/z']);
  });

  it('holds no place while it is asked for, and ends with a cancel', () => {
    const run = new Story({ maxParallel: 1, nodes: [{ ...n('a'), condition: true }, n('b')] });
    expect(run.started).toEqual(['b']);
    run.cancel('');
    run.condition('a', true).end('b', 'cancelled');
    expect(run.statuses()).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  it('is asked for again after a restart, until it is answered', () => {
    const run = new Story({
      nodes: [
        { ...n('a'), condition: true },
        { ...n('b'), condition: true },
      ],
    });
    run.condition('a', true);
    expect(run.restore()).toEqual([{ type: 'evaluate_condition', node: 2 }]);
    run.condition('b', true);
    expect(run.restore()).toEqual([]);
    expect(run.started).toEqual(['a', 'b']);
  });
});

describe('when', () => {
  it('decides in this process, with a look at how other nodes stand', async () => {
    const ran: string[] = [];
    const result = await runDag(
      {
        nodes: [
          { name: 'a' },
          { name: 'g', dag: { nodes: [{ name: 'x', when: async () => false }, { name: 'y' }] } },
          { name: 'b', dependsOn: ['a'], when: ({ statusOf }) => statusOf('a') === 'completed' },
        ],
      },
      ({ path }) => void ran.push(path),
    );
    expect(ran.sort()).toEqual(['a', 'b', 'g/y']);
    expect(result).toMatchObject({ status: 'completed', summary: { skipped: ['g/x'] } });
  });

  it.each([
    ['throws', { when: () => JSON.parse('{') }, 'JSON'],
    ['gives no truth value', { when: () => 'yes' as unknown as boolean }, 'it must give true or false'],
    [
      'asks for an unknown path',
      { when: ({ statusOf }) => statusOf('nobody') === 'failed' },
      'no node "nobody"',
    ],
    ['is missing', { condition: true }, 'no function `when`'],
  ] as [string, Partial<Dag['nodes'][number]>, string][])(
    'fails its node when it %s',
    async (_, how, message) => {
      const result = await runDag({ nodes: [{ name: 'a', ...how }] }, () => expect.unreachable());
      expect(result.nodes[0]).toMatchObject({ status: 'failed', error: { code: 'condition', path: 'a' } });
      expect(result.nodes[0]?.error?.message).toContain(message);
    },
  );
});
