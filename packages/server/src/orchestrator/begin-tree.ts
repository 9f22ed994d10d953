import type { Kysely } from 'kysely';
import { readRerun } from '../rerun/rerun.ts';
import type { Schema } from '../store/schema.ts';
import { newTree } from './owned-tree.ts';
import type { RunGroup } from './run-group.ts';
import { startRun } from './start-run.ts';
import type { Submission } from './submission.ts';
import { TreeChanges } from './tree-changes.ts';

export interface Beginning {
  readonly changes: TreeChanges;
  /** The concurrency group that it waits for; null when it has started. */
  readonly group: RunGroup | null;
}

/** Builds the tree of a run that is submitted and decides what happens at once, all in memory. */
export async function beginTree(
  db: Kysely<Schema>,
  submission: Submission,
  nowMs: number,
): Promise<Beginning> {
  const rerun = await readRerun(db, submission.rerunOf, submission);
  const tree = newTree({ ...submission, rerun, nowMs });
  const changes = new TreeChanges(tree);
  changes.addEvent(0, 'run.created', nowMs, { kind: 'pipeline', stages: submission.plan.nodes.length - 1 });
  const group = await startRun(db, changes, nowMs);
  return { changes, group };
}
