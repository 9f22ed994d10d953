import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import { n, Story } from './testing/story.testsuite.ts';

// Found by the model check.
describe('a node cut short by a fail-fast', () => {
  const dag: Dag = { failPolicy: 'fail_fast', nodes: [n('a'), n('b'), n('c', 'b')] };

  it('is not mistaken for one that a person has cancelled with that word as the reason', () => {
    const run = new Story(dag);
    run.send({ type: 'cancel', node: run.row('a').node, reason: 'fail_fast' });
    run.end('a', 'cancelled');
    expect(run.row('c')).toMatchObject({ status: 'skipped', reason: 'fail_fast', upstream: 1 });
    run.end('b');
    expect(run.finished).toMatchObject({ status: 'failed', error: { code: 'cancelled', path: 'a' } });
  });

  it('does not make a foreach fail that tolerates all failures it has had', () => {
    const items = { ...n('each'), foreach: { failurePolicy: 'any' as const } };
    const run = new Story({ failPolicy: 'fail_fast', nodes: [n('a'), items, n('after', 'each')] });
    run.expand('each', 2).end('each[0]', 'failed').end('a', 'failed').end('each[1]');
    expect(run.status('each')).toBe('completed');
    expect(run.finished).toMatchObject({ status: 'failed', error: { path: 'a' } });
  });

  it('makes a foreach cancelled when an item could not start, whatever it tolerates', () => {
    const items = { ...n('each'), foreach: { failurePolicy: 'any' as const, maxParallel: 1 } };
    const run = new Story({ failPolicy: 'fail_fast', nodes: [n('a'), items] });
    run.expand('each', 2).end('a', 'failed').end('each[0]');
    expect(run.row('each[1]')).toMatchObject({ status: 'skipped', reason: 'fail_fast' });
    expect(run.row('each')).toMatchObject({ status: 'cancelled', reason: 'fail_fast' });
  });
});

describe('a list of no items', () => {
  it('is never too long, also when the definition alone has more nodes than a run may grow to', () => {
    const items = { ...n('each'), foreach: { emptyAs: 'completed' as const } };
    const run = new Story({ nodes: [n('a'), n('b'), items] }, { maxExpandedNodes: 2 });
    expect(run.expand('each', 0).status('each')).toBe('completed');
  });
});
