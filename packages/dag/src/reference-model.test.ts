import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planOf as grownPlanOf } from './expansion.ts';
import { chanceOf } from './retry-delay.ts';
import { nodeSnapshot } from './state.ts';
import { expectLawfulRun } from './testing/observe.testsuite.ts';
import { conditionOf, itemsOf, planOf, ruledDag } from './testing/random-dag.testsuite.ts';
import type { ModelBehaviour } from './testing/reference-model.testsuite.ts';
import { endingsOf } from './testing/reference-model.testsuite.ts';
import { simulate } from './testing/simulate.ts';

describe('random trees with rules, conditions and foreach', () => {
  it('end as the reference model says, in whatever order the leaves end', () => {
    fc.assert(
      fc.property(ruledDag, fc.nat(), fc.integer({ min: 1, max: 4 }), (dag, seed, slots) => {
        const plan = planOf(dag);
        const digit = (path: string): number => Math.floor(chanceOf(`${seed} ${path}`) * 10);
        const leaf: ModelBehaviour['leaf'] = (path) => (digit(path) < 4 ? 'failed' : 'completed');
        const result = simulate(plan, {
          slots,
          condition: conditionOf,
          items: itemsOf,
          attempt: ({ path }) => ({ durationMs: digit(path) % 4, outcome: leaf(path) }),
        });
        expectLawfulRun(plan, result);
        const { nodes, indexByPath } = grownPlanOf(plan, result.state);
        const endings = nodes.map(({ index, path }) => {
          const { status, reason } = nodeSnapshot(result.state, index);
          return [path, status === 'skipped' ? `skipped: ${reason}` : status] as const;
        });
        const nodeAt = (path: string) => nodes[indexByPath.get(path)!]!;
        const expected = endingsOf(dag, {
          leaf,
          condition: (path) => {
            const { result: answer } = conditionOf(nodeAt(path));
            return typeof answer === 'boolean' ? answer : 'error';
          },
          items: (path) => {
            const { result: answer } = itemsOf(nodeAt(path));
            return 'count' in answer ? answer.count : 'error';
          },
        });
        expect(new Map(endings)).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });
});
