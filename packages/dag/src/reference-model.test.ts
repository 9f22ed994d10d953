import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dag, WhenContext } from './definition.ts';
import { planOf as grownPlanOf } from './expansion.ts';
import { chanceOf } from './retry-delay.ts';
import { runDag } from './run-dag.ts';
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
        const { leaf, digit } = leavesOf(seed);
        const result = simulate(plan, {
          slots,
          condition: conditionOf,
          items: itemsOf,
          attempt: ({ path }) => ({ durationMs: digit(path) % 4, outcome: leaf(path) }),
        });
        expectLawfulRun(plan, result);
        const endings = grownPlanOf(plan, result.state).nodes.map(({ index, path }) => {
          const { status, reason } = nodeSnapshot(result.state, index);
          return [path, status === 'skipped' ? `skipped: ${reason}` : status] as const;
        });
        expect(new Map(endings)).toEqual(endingsOf(dag, { leaf, condition, items }));
      }),
      { numRuns: 1_000 },
    );
  });

  it('end so in this process too, whether handlers give promises or not', async () => {
    await fc.assert(
      fc.asyncProperty(ruledDag, fc.nat(), fc.integer({ min: 1, max: 4 }), async (dag, seed, concurrency) => {
        const { leaf, digit } = leavesOf(seed);
        const skipped = new Map<string, string>();
        const handler = ({ path }: { path: string }) => {
          const end = { outcome: leaf(path) };
          return digit(path) % 2 === 0 ? end : Promise.resolve(end);
        };
        const { status, nodes } = await runDag(withAnswers(dag), handler, {
          concurrency,
          onEvent: (event) => {
            if (event.type === 'skipped') skipped.set(event.path, event.reason);
          },
        });
        const endings = nodes.map(({ path, status }) => {
          return [path, status === 'skipped' ? `skipped: ${skipped.get(path)}` : status] as const;
        });
        expect(new Map([['', status], ...endings])).toEqual(endingsOf(dag, { leaf, condition, items }));
      }),
      { numRuns: 500 },
    );
  });
});

function leavesOf(seed: number) {
  const digit = (path: string): number => Math.floor(chanceOf(`${seed} ${path}`) * 10);
  const leaf: ModelBehaviour['leaf'] = (path) => (digit(path) < 4 ? 'failed' : 'completed');
  return { digit, leaf };
}

function condition(path: string): boolean | 'error' {
  const { result } = conditionOf({ path });
  return typeof result === 'boolean' ? result : 'error';
}

function items(path: string): number | 'error' {
  const { result } = itemsOf({ path });
  return 'count' in result ? result.count : 'error';
}

/** The definition with functions that answer what the simulation is asked. */
function withAnswers(dag: Dag): Dag {
  const known = <T>(answer: T | 'error'): T => {
    if (answer === 'error') throw new Error('no answer');
    return answer as T;
  };
  const nodes = dag.nodes.map((node) => ({
    ...node,
    ...(node.condition && { when: ({ path }: WhenContext) => known(condition(path)) }),
    ...(node.foreach && {
      foreach: {
        ...node.foreach,
        items: ({ path }: WhenContext) => Array.from({ length: known(items(path)) }, (_, at) => at),
      },
    }),
    ...(node.dag && { dag: withAnswers(node.dag) }),
  }));
  return { ...dag, nodes };
}
