import { describe, expect, it } from 'vitest';
import type { Dag, DagNode } from './definition.ts';
import { MAX_FAULTS } from './fault.ts';
import type { ValidateOptions } from './validate.ts';
import { validate } from './validate.ts';

describe('validate', () => {
  it('reports every fault with its path', () => {
    const dag: Dag = {
      maxParallel: 1.5,
      deadlineMs: 0,
      nodes: [
        { name: 'prepare' },
        { name: 'train', dependsOn: ['prepar', 'train'] },
        { name: 'prepare', priority: Number.NaN },
        { name: 'sweep', dag: { nodes: [] } },
        { name: 'a/b', timeoutMs: -1 },
        { name: 'late', dependsOn: ['train', 'train'], retry: retry(0) },
        { name: 'inner', dag: { nodes: [{ name: 'x', dependsOn: ['train'] }] } },
      ],
    };
    expect(faultsOf(dag)).toEqual([
      ['invalid_number', 'maxParallel'],
      ['invalid_number', 'deadlineMs'],
      ['invalid_number', 'nodes.2.priority'],
      ['invalid_number', 'nodes.4.timeoutMs'],
      ['invalid_name', 'nodes.4.name'],
      ['invalid_number', 'nodes.5.retry.attempts'],
      ['duplicate_name', 'nodes.2.name'],
      ['unknown_dependency', 'nodes.1.dependsOn.0'],
      ['self_dependency', 'nodes.1.dependsOn.1'],
      ['duplicate_dependency', 'nodes.5.dependsOn.1'],
      ['empty_dag', 'nodes.3.dag.nodes'],
      ['unknown_dependency', 'nodes.6.dag.nodes.0.dependsOn.0'],
    ]);
  });

  it('names a cycle and suggests a similar name', () => {
    const faults = rawFaults({
      nodes: [
        { name: 'a', dependsOn: ['b'] },
        { name: 'b', dependsOn: ['c', 'a'] },
        { name: 'c', dependsOn: ['b', 'aa'] },
        { name: 'lonely' },
        { name: 'behind', dependsOn: ['a', 'lonly'] },
      ],
    });
    const messages = faults.map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining('a -> b -> a'));
    expect(messages).toContainEqual(expect.stringContaining('did you mean "lonely"?'));
    expect(messages.filter((message) => message.includes('cycle'))).toHaveLength(1);
    expect(faults.find(({ code }) => code === 'cycle')?.path).toEqual(['nodes', 0, 'dependsOn', 0]);
  });

  it('names one cycle for each knot', () => {
    const knot = (name: string): DagNode[] => [
      { name: `${name}1`, dependsOn: [`${name}2`] },
      { name: `${name}2`, dependsOn: [`${name}1`] },
    ];
    const faults = rawFaults({ nodes: [...knot('a'), ...knot('b')] });
    expect(faults.map(({ code }) => code)).toEqual(['cycle', 'cycle']);
  });

  it('passes ten levels and refuses eleven with the exact message', () => {
    expect(validate(nested(10)).ok).toBe(true);
    const faults = rawFaults(nested(11));
    expect(faults.map(({ message }) => message)).toEqual(['DAG nesting depth exceeds limit (10)']);
    expect(validate(nested(3), { maxDepth: 3 }).ok).toBe(true);
    expect(rawFaults(nested(4), { maxDepth: 3 })[0]?.message).toBe('DAG nesting depth exceeds limit (3)');
  });

  it('ignores a depth limit that the definition brings along', () => {
    const smuggled = { ...nested(11), maxDepth: 100, depth: -5 };
    expect(rawFaults(smuggled)[0]?.code).toBe('depth_exceeded');
  });

  it('refuses a definition that contains itself', () => {
    const nodes: DagNode[] = [];
    const dag: Dag = { nodes };
    nodes.push({ name: 'again', dag });
    expect(rawFaults(dag)[0]?.code).toBe('depth_exceeded');
  });

  it('refuses too many nodes before anything else, however they are hidden', () => {
    let bomb: Dag = { nodes: wide(100) };
    for (let level = 0; level < 8; level++) {
      const inner = bomb;
      bomb = { nodes: wide(100).map((node) => ({ ...node, dag: inner })) };
    }
    expect(rawFaults(bomb).map(({ code }) => code)).toEqual(['too_many_nodes']);
    const million = { nodes: new Array<DagNode>(1_000_000).fill({ name: '' }) };
    expect(rawFaults(million).map(({ code }) => code)).toEqual(['too_many_nodes']);
    expect(validate({ nodes: wide(5) }, { maxNodes: 5 }).ok).toBe(true);
    expect(validate({ nodes: wide(6) }, { maxNodes: 5 }).ok).toBe(false);
  });

  it('refuses a shared dependency list that multiplies to a billion', () => {
    const dependsOn = wide(40_000).map(({ name }) => name);
    const dag = { nodes: wide(40_000).map((node) => ({ ...node, dependsOn })) };
    expect(rawFaults(dag).map(({ code }) => code)).toEqual(['too_many_dependencies']);
  });

  it('lists no more faults than anyone reads', () => {
    const dag = { nodes: wide(20_000).map((node) => ({ ...node, dependsOn: ['nowhere'] })) };
    const faults = rawFaults(dag);
    expect(faults).toHaveLength(MAX_FAULTS + 1);
    expect(faults[MAX_FAULTS]?.message).toContain('19000 more');
  });

  it.each([
    ['no object', null],
    ['no nodes', {}],
    ['a node that is null', { nodes: [null] }],
    ['a name that is a number', { nodes: [{ name: 7 }] }],
    ['dependsOn that is a string', { nodes: [{ name: 'a', dependsOn: 'b' }] }],
    ['an unknown policy', { failPolicy: 'give_up', nodes: [{ name: 'a' }] }],
    ['onSiblings without fail_fast', { onSiblings: 'cancel', nodes: [{ name: 'a' }] }],
    ['an unknown onSiblings', { failPolicy: 'fail_fast', onSiblings: 'kill', nodes: [{ name: 'a' }] }],
    ['an unknown rule', { nodes: [{ name: 'a', triggerRule: 'some' }] }],
    ['a rule without what it is judged by', { nodes: [{ name: 'a', triggerRule: 'one_failed' }] }],
    ['foreach that is a list', { nodes: [{ name: 'a', foreach: null }] }],
    ['a negative maxItems', { nodes: [{ name: 'a', foreach: { maxItems: -1 } }] }],
    ['a broken maxParallel', { nodes: [{ name: 'a', foreach: { maxParallel: 0.5 } }] }],
    ['an unknown emptyAs', { nodes: [{ name: 'a', foreach: { emptyAs: 'failed' } }] }],
    ['items that are a text', { nodes: [{ name: 'a', foreach: { items: 'ab' } }] }],
    ['an unknown failurePolicy', { nodes: [{ name: 'a', foreach: { failurePolicy: 'most' } }] }],
    ['half a failure', { nodes: [{ name: 'a', foreach: { failurePolicy: { maxFailures: 0.5 } } }] }],
    ['the name of an item', { nodes: [{ name: 'a', foreach: {} }, { name: 'a[0]' }] }],
    ['a condition that is a text', { nodes: [{ name: 'a', condition: 'yes' }] }],
    ['when that is no function', { nodes: [{ name: 'a', when: true }] }],
    ['retry that is a number', { nodes: [{ name: 'a', retry: 3 }] }],
    ['a jitter above 1', { nodes: [{ name: 'a', retry: { ...retry(2), jitter: 1.1 } }] }],
    ['retryOn that is a word', { nodes: [{ name: 'a', retry: { ...retry(2), retryOn: 'lost' } }] }],
    ['retry of a nested DAG', { nodes: [{ name: 'a', retry: retry(2), dag: { nodes: [{ name: 'x' }] } }] }],
    ['a nested DAG that is null', { nodes: [{ name: 'a', dag: null }] }],
  ])('refuses %s', (_, dag) => {
    expect(rawFaults(dag as unknown as Dag)).toHaveLength(1);
  });

  it('reads maxParallel of zero or less as one', () => {
    const validation = validate({ maxParallel: -3, nodes: [{ name: 'a' }] });
    expect(validation.ok && validation.plan.nodes[0]?.group?.maxParallel).toBe(1);
  });
});

function faultsOf(dag: Dag): [string, string][] {
  return rawFaults(dag).map(({ code, path }) => [code, path.join('.')]);
}

function rawFaults(dag: Dag, options?: ValidateOptions) {
  const validation = validate(dag, options);
  return validation.ok ? [] : validation.faults;
}

function nested(levels: number): Dag {
  let dag: Dag = { nodes: [{ name: 'leaf' }] };
  for (let level = 1; level < levels; level++) dag = { nodes: [{ name: 'inner', dag }] };
  return dag;
}

function wide(count: number): DagNode[] {
  return Array.from({ length: count }, (_, index) => ({ name: `n${index}` }));
}

function retry(attempts: number) {
  return { attempts, backoffMs: 1_000, factor: 2, maxBackoffMs: 60_000 };
}
