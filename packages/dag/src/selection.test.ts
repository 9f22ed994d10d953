import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import { selectNodes } from './selection.ts';
import { nodeSnapshot } from './state.ts';
import { expectLawfulRun } from './testing/observe.testsuite.ts';
import { behaviourOf, peacefulRun, planOf } from './testing/random-dag.testsuite.ts';
import { simulate } from './testing/simulate.ts';
import { n, Story } from './testing/story.testsuite.ts';

/** a -> sweep(first -> small, large) -> report, and cleanup behind everything. */
const dag: Dag = {
  nodes: [
    n('a'),
    { ...n('sweep', 'a'), dag: { nodes: [n('first'), n('small', 'first'), n('large', 'first')] } },
    n('beside'),
    n('report', 'sweep', 'beside'),
    { ...n('cleanup', 'report'), triggerRule: 'always' },
    { ...n('done', 'report'), triggerRule: 'all_done' },
  ],
};

// Scenario 56 of the edge cases: a target subset runs only its ancestors.
describe('a run of some nodes only', () => {
  it('runs what they depend on and skips the rest when it starts', () => {
    const run = new Story(dag, { only: ['sweep/small'] });
    const skipped = ['sweep/large', 'beside', 'report', 'cleanup', 'done'];
    for (const path of skipped) expect(run.row(path)).toMatchObject({ status: 'skipped', attempt: 0 });
    expect(new Set(skipped.map((path) => run.row(path).reason))).toEqual(new Set(['not_selected']));
    run.restore();
    run.end('a').end('sweep/first').end('sweep/small');
    expect(run.started).toEqual(['a', 'sweep/first', 'sweep/small']);
    expect(run.status('sweep')).toBe('completed');
    expect(run.finished?.status).toBe('completed');
  });

  it('leaves what was cancelled before the start as it is, and waits for what runs', () => {
    const run = new Story({ nodes: [n('a'), n('b')] }, { only: ['a'], isStarted: false });
    run.cancel('b');
    run.send({ type: 'start' });
    expect([run.status('b'), run.finished]).toEqual(['cancelled', undefined]);
    expect(run.end('a').finished).toMatchObject({ status: 'failed', error: { path: 'b' } });
  });

  it('has everything inside of a nested DAG that is selected', () => {
    const run = new Story(dag, { only: ['sweep', 'beside'] });
    run.end('a').end('beside').end('sweep/first').end('sweep/small').end('sweep/large');
    expect(run.finished?.status).toBe('completed');
    expect(run.row('report')).toMatchObject({ status: 'skipped', reason: 'not_selected' });
  });

  it('runs no cleaning up that is not selected, also after a failure or a cancel', () => {
    const failed = new Story(dag, { only: ['report'] });
    failed.end('a', 'failed').end('beside');
    expect(failed.row('report')).toMatchObject({ status: 'skipped', reason: 'upstream_failed' });
    expect(failed.row('cleanup').reason).toBe('not_selected');
    expect(failed.finished?.status).toBe('failed');
    const cancelled = new Story(dag, { only: ['report'] });
    cancelled.cancel('');
    cancelled.end('a', 'cancelled').end('beside', 'cancelled');
    expect(cancelled.row('cleanup').status).toBe('skipped');
    expect(cancelled.finished?.status).toBe('cancelled');
  });

  it('selects inside of every item of a foreach', () => {
    const each: Dag = {
      nodes: [
        n('list'),
        { ...n('each', 'list'), foreach: {}, dag: { nodes: [n('x'), n('y', 'x'), n('z')] } },
        n('join', 'each'),
      ],
    };
    const run = new Story(each, { only: ['each/y'] });
    run.end('list').expand('each', 2);
    for (const item of ['each[0]', 'each[1]']) {
      expect(run.row(`${item}/z`).reason).toBe('not_selected');
      run.end(`${item}/x`).end(`${item}/y`);
    }
    expect(run.finished?.status).toBe('completed');
    run.restore();
    expect(run.status('each')).toBe('completed');
  });

  it('tells what a path probably means, or what there is', () => {
    const plan = planOf(dag);
    expect(selectNodes(plan, ['sweep/smal', 'nothing', 'a/b'])).toEqual({
      ok: false,
      faults: [
        'there is no stage "sweep/smal"; did you mean "sweep/small"?',
        'there is no stage "nothing"; known: a, sweep, beside, report, cleanup, done',
        'there is no stage "a/b"; nothing is inside of "a"',
      ],
    });
  });

  it('runs each selected leaf and nothing else, whatever the tree', () => {
    fc.assert(
      fc.property(peacefulRun, fc.nat(), (run, seed) => {
        const plan = planOf(run.dag);
        const wanted = plan.nodes[1 + (seed % (plan.nodes.length - 1))]!;
        const selection = selectNodes(plan, [wanted.path]);
        if (!selection.ok) throw new Error(selection.faults.join());
        const result = simulate(selection.plan, {
          slots: run.slots,
          attempt: behaviourOf(run),
          condition: () => ({ result: true }),
        });
        expectLawfulRun(selection.plan, result);
        for (const { index, source, isGroup } of plan.nodes) {
          const { status, reason } = nodeSnapshot(result.state, index);
          const isLeftOut = selection.plan.deselected.has(source);
          expect(reason === 'not_selected').toBe(isLeftOut);
          if (!isGroup && !isLeftOut) expect(status).toBe('completed');
        }
        expect(selection.plan.deselected.has(wanted.source)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});
