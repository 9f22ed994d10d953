import type { DagNode } from '@trainyard/dag';

/** Per colour, as in the recorded workflow montage-chameleon-2mass-05d-001 of wfcommons/WfInstances. */
const COLOURS = 3;
const IMAGES = 80;
const OVERLAPS = 414;

/**
 * The shape of Montage, which makes one picture of the sky from many: 1,738 nodes, 4,698 edges, 8 levels, at
 * most 1,242 wide, as many nodes of each kind as the recorded workflow has. Which images overlap is made up:
 * each with those next to it.
 */
export function montageNodes(): DagNode[] {
  const nodes: DagNode[] = [];
  const add = (name: string, dependsOn: readonly string[]): string => {
    nodes.push({ name, dependsOn: [...dependsOn] });
    return name;
  };
  const viewed: string[] = [];
  for (let colour = 0; colour < COLOURS; colour += 1) {
    const name = (kind: string, index = 0): string => `${kind}-${colour}-${index}`;
    const projected = indices(IMAGES).map((image) => add(name('project', image), []));
    const fitted = overlaps().map(([left, right], index) =>
      add(name('diff-fit', index), [projected[left]!, projected[right]!]),
    );
    const model = add(name('bg-model'), [add(name('concat-fit'), fitted)]);
    const corrected = projected.map((image, index) => add(name('background', index), [image, model]));
    const table = add(name('imgtbl'), corrected);
    viewed.push(add(name('add'), [table, ...corrected]));
  }
  viewed.forEach((picture, colour) => {
    add(`viewer-${colour}`, [picture]);
  });
  add('viewer-all', viewed);
  return nodes;
}

/** Number of levels before each node, for systems that know joins but no graphs. */
export function levelsOf(nodes: readonly DagNode[]): DagNode[][] {
  const levelByName = new Map<string, number>();
  const levels: DagNode[][] = [];
  for (const node of nodes) {
    const level = Math.max(-1, ...(node.dependsOn ?? []).map((name) => levelByName.get(name)!)) + 1;
    levelByName.set(node.name, level);
    levels[level] = [...(levels[level] ?? []), node];
  }
  return levels;
}

function overlaps(): [number, number][] {
  const pairs: [number, number][] = [];
  for (let distance = 1; pairs.length < OVERLAPS; distance += 1) {
    for (let left = 0; left + distance < IMAGES && pairs.length < OVERLAPS; left += 1) {
      pairs.push([left, left + distance]);
    }
  }
  return pairs;
}

function indices(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
