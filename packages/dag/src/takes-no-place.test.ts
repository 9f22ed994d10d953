import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import { nodeSnapshot } from './state.ts';
import { behaviourOf, conditionOf, itemsOf, planOf, roughRun } from './testing/random-dag.testsuite.ts';
import { simulate } from './testing/simulate.ts';
import { n, Story } from './testing/story.testsuite.ts';
import { validate } from './validate.ts';

describe('a leaf that takes no place', () => {
  it('leaves the only place to its siblings, and starts although that is taken', () => {
    const run = new Story({
      maxParallel: 1,
      nodes: [n('work'), { ...n('ask'), takesNoPlace: true }, n('more')],
    });
    expect(run.started).toEqual(['ask', 'work']);
    run.end('work');
    expect(run.started).toEqual(['ask', 'work', 'more']);
    run.end('more');
    expect(run.status('')).toBe('active');
    run.end('ask');
    expect(run.status('')).toBe('completed');
  });

  it('does not wait behind siblings with a higher priority', () => {
    const run = new Story({
      maxParallel: 1,
      nodes: [
        n('first'),
        { ...n('urgent', 'first'), priority: 1000 },
        n('late', 'first'),
        { ...n('ask', 'first'), priority: -5, takesNoPlace: true },
      ],
    });
    expect(run.end('first').started).toEqual(['first', 'ask', 'urgent']);
  });

  it('as the items of a foreach, takes no place for any of them nor for the foreach', () => {
    const run = new Story({
      maxParallel: 1,
      nodes: [{ ...n('ask'), takesNoPlace: true, foreach: { maxParallel: 1 } }, n('work')],
    });
    run.expand('ask', 3);
    expect(run.started).toEqual(['work', 'ask[0]', 'ask[1]', 'ask[2]']);
  });

  it('is cancelled and reaches deadlines like any other', () => {
    const run = new Story({ deadlineMs: 50, nodes: [{ ...n('ask'), takesNoPlace: true }] });
    run.cancel('ask');
    expect(run.status('ask')).toBe('cancelling');
    run.end('ask', 'cancelled');
    expect([run.status('ask'), run.status('')]).toEqual(['cancelled', 'failed']);
  });

  it('can be no nested DAG', () => {
    const dag = (takesNoPlace: boolean): Dag => ({
      nodes: [{ name: 'a', takesNoPlace, dag: { nodes: [n('b')] } }],
    });
    expect(validate(dag(false)).ok).toBe(true);
    const refused = validate(dag(true));
    expect(refused.ok ? [] : refused.faults).toMatchObject([
      { code: 'invalid_value', path: ['nodes', 0, 'takesNoPlace'] },
    ]);
    const odd = validate({ nodes: [{ name: 'a', takesNoPlace: 'yes' as unknown as boolean }] });
    expect(odd.ok ? [] : odd.faults).toMatchObject([{ path: ['nodes', 0, 'takesNoPlace'] }]);
  });

  it('is never left waiting for its parent to have a free place, whatever else happens', () => {
    fc.assert(
      fc.property(roughRun, (run) => {
        const plan = planOf(run.dag);
        simulate(plan, {
          slots: run.slots,
          attempt: behaviourOf(run),
          condition: conditionOf,
          items: itemsOf,
          onDecision: ({ decision }) => {
            const { effects, state } = decision;
            for (const effect of effects) {
              if (effect.type !== 'node_ready' || plan.nodes[effect.node]?.takesNoPlace !== true) continue;
              expect(nodeSnapshot(state, effect.node).status).not.toBe('pending');
            }
          },
        });
      }),
      { numRuns: 300 },
    );
  });
});
