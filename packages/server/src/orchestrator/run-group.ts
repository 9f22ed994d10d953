import type { OnConflict } from '@trainyard/protocol';
import { resolveGroup } from '../limits/resolve-limits.ts';
import type { OwnedTree } from './owned-tree.ts';
import { type Params, scopeOf } from './stage-scope.ts';
import type { TreeChanges } from './tree-changes.ts';

/** The concurrency group of a run. */
export interface RunGroup {
  readonly name: string;
  readonly limit: number;
  readonly onConflict: OnConflict;
}

/**
 * The concurrency group that a definition puts its runs into; null when none.
 * @throws TrainyardError INVALID_PARAMS when the name cannot be resolved
 */
export function runGroupOf(tree: OwnedTree): RunGroup | null {
  const { concurrency } = tree.definition;
  if (concurrency === undefined) return null;
  const name = resolveGroup(concurrency, (text) => scopeOf(tree, 0, tree.runs[0]!.params as Params, text));
  return { name, limit: concurrency.limit, onConflict: concurrency.onConflict };
}

/** Leaves a new run waiting for its group: nothing of it starts, and so nothing is held. */
export function holdForGroup(
  changes: TreeChanges,
  { name, limit, onConflict }: RunGroup,
  nowMs: number,
): void {
  const root = changes.tree.runs[0]!;
  root.queuedAt = new Date(nowMs).toISOString();
  root.reason = `waits for its turn in the concurrency group "${name}"`;
  changes.setStatus(0, 'queued');
  changes.addEvent(0, 'run.waits_for_group', nowMs, { group: name, limit, onConflict });
}
