import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { applyEvent } from './apply.ts';
import { askStore } from './ask-store.ts';
import { holdForGroup, type RunGroup, runGroupOf } from './run-group.ts';
import type { TreeChanges } from './tree-changes.ts';

/** Lets a new tree begin, or wait for its concurrency group, which is answered. @throws TrainyardError INVALID_PARAMS */
export async function startRun(
  db: Kysely<Schema>,
  changes: TreeChanges,
  nowMs: number,
): Promise<RunGroup | null> {
  const group = runGroupOf(changes.tree);
  if (group !== null) {
    holdForGroup(changes, group, nowMs);
    return group;
  }
  applyEvent(changes, { type: 'start' }, nowMs);
  await askStore(db, [changes], nowMs);
  return null;
}
