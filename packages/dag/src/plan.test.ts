import { describe, expect, it } from 'vitest';
import { planOf } from './testing/random-dag.testsuite.ts';

describe('Plan', () => {
  const plan = planOf({
    nodes: [
      { name: 'prepare' },
      {
        name: 'sweep',
        dependsOn: ['prepare'],
        timeoutMs: 500,
        dag: { deadlineMs: 900, nodes: [{ name: 'small' }, { name: 'large' }] },
      },
      { name: 'other', dependsOn: ['prepare'] },
      { name: 'report', dependsOn: ['sweep', 'other'] },
    ],
  });

  it('numbers nodes in preorder with their paths', () => {
    expect(plan.nodes.map(({ path }) => path)).toEqual([
      '',
      'prepare',
      'sweep',
      'sweep/small',
      'sweep/large',
      'other',
      'report',
    ]);
    expect(plan.nodes.map(({ parent }) => parent)).toEqual([-1, 0, 0, 2, 2, 0, 0]);
    expect(plan.nodes.map(({ depth }) => depth)).toEqual([0, 1, 1, 2, 2, 1, 1]);
    expect(plan.nodes.map(({ end }) => end)).toEqual([7, 2, 5, 4, 5, 6, 7]);
    expect(plan.indexByPath.get('sweep/large')).toBe(4);
  });

  it('links dependencies and dependents among siblings', () => {
    expect(plan.nodes[6]).toMatchObject({ dependsOn: [2, 5], dependencyCount: 2, dependents: [] });
    expect(plan.nodes[1]).toMatchObject({ dependsOn: [], dependents: [2, 5] });
  });

  it('gives layers for display, as in A -> {B, C} -> D', () => {
    expect(plan.nodes[0]?.group?.layers).toEqual([[1], [2, 5], [6]]);
    expect(plan.nodes[2]?.group?.layers).toEqual([[3, 4]]);
  });

  it('takes the timeout of a nested DAG as a deadline when it is shorter', () => {
    expect(plan.nodes[2]?.group?.deadlineMs).toBe(500);
    expect(plan.nodes[2]?.timeoutMs).toBeNull();
  });
});
