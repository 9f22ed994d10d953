import type { PlannerEvent } from '@trainyard/dag';
import type { JsonValue, SelectBestDefinition } from '@trainyard/protocol';
import { instantText } from '../store/instant-text.ts';
import type { Leaf, LeafKind } from './leaf-kinds.ts';
import type { LatestMetric } from './lookups.ts';
import { childrenOf, nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';

/** Runs that the outputs list; the others are only counted. */
const MAX_LISTED = 1000;

/** A run that may be the best. */
interface Candidate {
  readonly id: string;
  readonly path: string;
  /** Of the innermost foreach around it, inside of what is compared. */
  readonly item: JsonValue;
}

/** Compares runs by what the store has of their metrics. No agent has part in it, and it ends at once. */
export const selectBestStage: LeafKind = {
  start(leaf) {
    const { changes, node } = leaf;
    const definition = stageAt(changes.tree, node)!.select_best!;
    const candidates = candidatesOf(changes.tree, node, definition);
    const wanted = { latest: { key: definition.metric, runIds: candidates.map(({ id }) => id) } };
    changes.lookups.push({
      wanted,
      take: ({ latest }) => end(leaf, definition, rank(candidates, latest, definition)),
    });
    return undefined;
  },
  // It is answered within the tick that starts it.
  cancel: () => undefined,
};

interface Ranked extends Candidate {
  readonly value: number;
  readonly step: number;
}

function end(leaf: Leaf, { from, metric }: SelectBestDefinition, ranked: readonly Ranked[]): PlannerEvent {
  const { changes, node, attempt, nowMs } = leaf;
  const run = changes.tree.runs[node]!;
  run.startedAt = instantText(nowMs);
  // There is no attempt that an agent could report of.
  run.attempt = attempt - 1;
  changes.addEvent(node, 'run.started', nowMs, { attempt });
  changes.touch(node);
  const [best] = ranked;
  if (best === undefined) {
    const message = `no run of stage "${from}" that ended well has a finite value of the metric "${metric}"`;
    return { type: 'leaf_finished', node, attempt, outcome: 'failed', error: { code: 'no_metric', message } };
  }
  const listed = ranked.slice(0, MAX_LISTED).map(shown);
  run.outputs = { ...shown(best), metric, compared: ranked.length, runs: listed };
  return { type: 'leaf_finished', node, attempt, outcome: 'completed' };
}

function shown({ id, path, item, value, step }: Ranked) {
  return { run: id, path, item, value, step };
}

/** The best first; of equal ones the earlier. */
function rank(
  candidates: readonly Candidate[],
  latest: ReadonlyMap<string, LatestMetric>,
  { goal, of }: SelectBestDefinition,
): Ranked[] {
  const ranked = candidates.flatMap((candidate) => {
    const found = latest.get(candidate.id);
    const value = of === 'last' ? found?.value : found?.[goal];
    if (found === undefined || typeof value !== 'number' || !Number.isFinite(value)) return [];
    return [{ ...candidate, value, step: found.step }];
  });
  return ranked.sort((a, b) => (goal === 'min' ? a.value - b.value : b.value - a.value));
}

function candidatesOf(tree: OwnedTree, node: number, { from }: SelectBestDefinition): Candidate[] {
  const source = childrenOf(tree, nodeAt(tree, node).parent).find((each) => nodeAt(tree, each).name === from);
  const candidates: Candidate[] = [];
  const add = (at: number, item: JsonValue): void => {
    const run = tree.runs[at]!;
    const own = run.item?.value ?? item;
    if (nodeAt(tree, at).isGroup) for (const child of childrenOf(tree, at)) add(child, own);
    else if (run.status === 'completed' || run.status === 'stopped')
      candidates.push({ id: run.cachedFrom ?? run.keptFrom ?? run.id, path: run.path, item: own });
  };
  if (source !== undefined) add(source, null);
  return candidates;
}
