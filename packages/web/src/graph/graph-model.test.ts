import type { RunStatus } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { buildRunModel, findByPath, rollUp } from '../runs/run-model.ts';
import { type SampleStage, sampleTree } from '../testing/sample-runs.ts';
import { buildGraph, type GraphLevel, type GraphNode, MAX_VISIBLE } from './graph-model.ts';
import { layoutNested } from './nested-layout.ts';

test('a small tree is drawn whole', () => {
  const { level, visible } = draw([
    { name: 'a' },
    { name: 'b', dependsOn: ['a'], stages: [{ name: 'x' }, { name: 'y', dependsOn: ['x'] }] },
  ]);
  expect(names(level)).toEqual(['a', 'b[x,y]']);
  expect(level.edges).toHaveLength(1);
  expect(visible).toBe(4);
});

test('in a large tree failed and running groups open by themselves, others stay closed', () => {
  const { level, visible } = draw(
    groups(40, 20, (g) => (g === 3 ? 'failed' : g === 7 ? 'running' : 'completed')),
  );
  const open = level.nodes.filter((node) => node.kind === 'group' && node.inside !== undefined);
  expect(open.map(nameOf)).toEqual([expect.stringMatching(/^g3\[/), expect.stringMatching(/^g7\[/)]);
  expect(visible).toBe(40 + 2 * 20);
});

test('groups stop opening by themselves at the limit of visible nodes', () => {
  const { visible } = draw(groups(50, 50, () => 'running'));
  expect(visible).toBeLessThanOrEqual(MAX_VISIBLE);
  expect(visible).toBeGreaterThan(200);
});

test('the group of the selection is open, and what the user closed stays closed', () => {
  const stages = groups(40, 20, () => 'failed');
  const model = buildRunModel(sampleTree('t', stages));
  const g39 = findByPath(model, 'g39')!.id;
  const options = { toggled: new Map<string, boolean>(), counts: rollUp(model) };
  const selectedId = findByPath(model, 'g39/s5')!.id;
  expect(isOpen(buildGraph(model, { ...options, selectedId }).level, g39)).toBe(true);
  const toggled = new Map([[g39, false]]);
  expect(isOpen(buildGraph(model, { ...options, selectedId, toggled }).level, g39)).toBe(false);
});

test('a level of thousands is folded; what failed or runs stays single', () => {
  const stages: SampleStage[] = [
    { name: 'start', status: 'completed' },
    ...Array.from(
      { length: 5000 },
      (_, i): SampleStage => ({
        name: `j${i}`,
        dependsOn: ['start'],
        status: i === 4000 ? 'failed' : i === 4001 ? 'running' : 'pending',
      }),
    ),
  ];
  const { level, visible } = draw(stages);
  expect(names(level)).toEqual(['j4000', 'j4001', 'start', '4998 folded']);
  expect(visible).toBe(4);
});

test('a chain of thousands is folded into a chain without cycles', () => {
  const stages = Array.from(
    { length: 3000 },
    (_, i): SampleStage => ({
      name: `s${i}`,
      dependsOn: i === 0 ? [] : [`s${i - 1}`],
      status: i === 1500 ? 'failed' : 'pending',
    }),
  );
  const { level } = draw(stages);
  expect(level.nodes.length).toBeLessThanOrEqual(14);
  const { nodes, edges } = layoutNested(level);
  const x = new Map(nodes.map((node) => [node.node.id, node.x]));
  for (const edge of edges) expect(x.get(edge.to)!).toBeGreaterThan(x.get(edge.from)!);
  expect(edges.length).toBeGreaterThanOrEqual(11);
});

test('an open group contains what is inside it', () => {
  const { level } = draw([
    {
      name: 'out',
      stages: [{ name: 'in', stages: [{ name: 'a' }, { name: 'b', dependsOn: ['a'] }] }, { name: 'c' }],
    },
  ]);
  const { nodes } = layoutNested(level);
  const byId = new Map(nodes.map((entry) => [entry.node.id, entry]));
  for (const entry of nodes) {
    if (entry.parentId === undefined) continue;
    const parent = byId.get(entry.parentId)!;
    expect(nodes.indexOf(parent)).toBeLessThan(nodes.indexOf(entry));
    expect(entry.x).toBeGreaterThanOrEqual(0);
    expect(entry.y).toBeGreaterThanOrEqual(40);
    expect(entry.x + entry.width).toBeLessThanOrEqual(parent.width);
    expect(entry.y + entry.height).toBeLessThanOrEqual(parent.height);
  }
});

function draw(stages: readonly SampleStage[]) {
  const model = buildRunModel(sampleTree('t', stages));
  return buildGraph(model, { toggled: new Map(), selectedId: undefined, counts: rollUp(model) });
}

function groups(count: number, size: number, status: (group: number) => RunStatus): SampleStage[] {
  return Array.from({ length: count }, (_, g) => ({
    name: `g${g}`,
    status: status(g),
    stages: Array.from({ length: size }, (_, i) => ({ name: `s${i}`, status: status(g) })),
  }));
}

function names(level: GraphLevel): string[] {
  return level.nodes.map(nameOf);
}

function nameOf(node: GraphNode): string {
  if (node.kind === 'bundle') return `${node.ids.length} folded`;
  if (node.kind === 'group' && node.inside !== undefined)
    return `${node.run.name}[${names(node.inside).join()}]`;
  return node.run.name;
}

function isOpen(level: GraphLevel, id: string): boolean {
  return level.nodes.some((node) => node.id === id && node.kind === 'group' && node.inside !== undefined);
}
