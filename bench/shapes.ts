import type { DagNode } from '@trainyard/dag';

/** What a graph looks like. All are given as nodes with the names of those that come before them. */
export const shapes = ['chain', 'fan-out', 'layers', 'random'] as const;
export type Shape = (typeof shapes)[number];

const LAYER_WIDTH = 1_000;
const RANDOM_DEPENDENCIES = 2;

/**
 * - chain: each after the one before.
 * - fan-out: all after the first.
 * - layers: 1,000 wide (a tenth of a small graph), each after two of the layer before.
 * - random: each after up to two of all before it, the same in every run.
 */
export function nodesOf(shape: Shape, count: number): DagNode[] {
  const name = (index: number): string => `n${index}`;
  const width = Math.min(LAYER_WIDTH, Math.ceil(count / 10));
  const random = randomNumbers(7);
  return Array.from({ length: count }, (_, index): DagNode => {
    const before = {
      chain: [index - 1],
      'fan-out': index > 0 ? [0] : [],
      layers: above(index, width),
      random: [],
    };
    const picked = shape === 'random' && index > 0 ? draw(index, random) : before[shape];
    return { name: name(index), dependsOn: picked.filter((it) => it >= 0).map(name) };
  });
}

function above(index: number, width: number): number[] {
  if (index < width) return [];
  const start = (Math.floor(index / width) - 1) * width;
  return [start + (index % width), start + ((index + 1) % width)];
}

function draw(index: number, random: () => number): number[] {
  const drawn = Array.from({ length: RANDOM_DEPENDENCIES }, () => Math.floor(random() * index));
  return [...new Set(drawn)];
}

/** A linear congruential generator (Knuth, "The Art of Computer Programming", 3.3.4). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
