import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import { planOf } from './testing/random-dag.testsuite.ts';
import { simulate } from './testing/simulate.ts';
import { validate } from './validate.ts';

/** Generous: each of these takes well under a second where anything quadratic takes minutes. */
const LIMIT_MS = 20_000;

describe('large plans', () => {
  it.each([
    ['1,000 wide', wide(1_000)],
    ['1,000 deep', chain(1_000)],
    ['50,000 wide', wide(50_000)],
    ['50,000 deep', chain(50_000)],
    ['a fan-out and fan-in of 1,000', fan(1_000)],
  ])('run %s to the end', { timeout: LIMIT_MS }, (_, dag) => {
    const plan = planOf(dag);
    const result = simulate(plan, { attempt: () => ({ durationMs: 1 }) });
    expect(result.status).toBe('completed');
    expect(result.runs).toHaveLength(dag.nodes.length);
  });

  it('skip 49,999 dependents of a failed node at once', { timeout: LIMIT_MS }, () => {
    const attempt = () => ({ durationMs: 1, outcome: 'failed' as const });
    const result = simulate(planOf(chain(50_000)), { attempt });
    expect(result.status).toBe('failed');
    expect(result.runs).toHaveLength(1);
  });

  it('find a cycle of 50,000 nodes without deep recursion', { timeout: LIMIT_MS }, () => {
    const [first, ...rest] = chain(50_000).nodes;
    const validation = validate({ nodes: [{ ...first!, dependsOn: ['n49999'] }, ...rest] });
    expect(validation.ok ? [] : validation.faults.map(({ code }) => code)).toEqual(['cycle']);
  });
});

function wide(count: number): Dag {
  return { maxParallel: 64, nodes: Array.from({ length: count }, (_, i) => ({ name: `n${i}` })) };
}

function chain(count: number): Dag {
  return {
    nodes: Array.from({ length: count }, (_, i) => ({
      name: `n${i}`,
      dependsOn: i === 0 ? [] : [`n${i - 1}`],
    })),
  };
}

function fan(count: number): Dag {
  const middle = Array.from({ length: count }, (_, i) => ({ name: `n${i}`, dependsOn: ['split'] }));
  const names = middle.map(({ name }) => name);
  return { maxParallel: count, nodes: [{ name: 'split' }, ...middle, { name: 'join', dependsOn: names }] };
}
