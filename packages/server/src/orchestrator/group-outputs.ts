import type { JsonValue, Run } from '@trainyard/protocol';
import { jsonSize } from '../definition/json-size.ts';
import { childrenOf, nodeAt, type OwnedTree } from './owned-tree.ts';

/** Outputs of a nested pipeline larger than this are not stored as one value; its stages keep theirs. */
const MAX_STORED_SIZE = 4 * 1024 * 1024;

type GroupOutputs = Readonly<Record<string, JsonValue>> | readonly JsonValue[];

/** Outputs of a stage as later stages read them, however large; null when it has none. */
export function outputsOf(tree: OwnedTree, node: number): JsonValue {
  if (!nodeAt(tree, node).isGroup) return (tree.runs[node]!.outputs ?? null) as JsonValue;
  return groupOutputs(tree, node) as JsonValue;
}

/** Puts the outputs of a pipeline or a foreach into its row; null with a reason when they are too large for it. */
export function storeOutputs(tree: OwnedTree, node: number): void {
  const run = tree.runs[node]!;
  const outputs = groupOutputs(tree, node);
  const size = outputs === null ? 0 : jsonSize(outputs as JsonValue);
  run.outputs = size > MAX_STORED_SIZE ? null : outputs;
  if (size > MAX_STORED_SIZE) run.reason ??= notShown(size);
}

function notShown(size: number): string {
  const mib = (size / 1024 / 1024).toFixed(1);
  return `its outputs have ${mib} MiB in all, more than the 4 MiB that are shown as one value; those of its stages are shown there`;
}

/**
 * Outputs of a pipeline: those of its stages by name, left out where a stage has none. Of a foreach: a list
 * with those of its items in their order, null where an item has none. Nothing is copied but the references.
 */
function groupOutputs(tree: OwnedTree, node: number): GroupOutputs | null {
  const run = tree.runs[node]!;
  const known = joined.get(run);
  if (known !== undefined) return known;
  const outputs = join(tree, node);
  // What has ended has its outputs for good.
  if (run.endedAt !== null) joined.set(run, outputs);
  return outputs;
}

/** Of groups that have ended, because each of thousands of stages may read one value of them. */
const joined = new WeakMap<Run, GroupOutputs | null>();

function join(tree: OwnedTree, node: number): GroupOutputs | null {
  const children = childrenOf(tree, node);
  if (nodeAt(tree, node).foreach !== null) return children.map((child) => outputsOf(tree, child));
  const outputs: Record<string, JsonValue> = {};
  for (const child of children) {
    const own = outputsOf(tree, child);
    if (own !== null) outputs[tree.runs[child]!.name] = own;
  }
  return Object.keys(outputs).length === 0 ? null : outputs;
}
