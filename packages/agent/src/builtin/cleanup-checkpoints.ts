import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decideCleanup, type JudgedCheckpoint, type KeepPolicy } from '@trainyard/protocol/plain';
import { type BuiltinAttempt, BuiltinFailure, messageOf } from './attempt.ts';

import { type Deletable, judgePath } from './inside-directory.ts';

interface Cleanup extends KeepPolicy {
  readonly job: string;
  readonly dryRun: boolean;
  /** Absolute; null when the job declares none. */
  readonly checkpointDir: string | null;
  /** All of the job whose files are there, as far as the server knows. */
  readonly checkpoints: readonly JudgedCheckpoint[];
}

/** Lists in the outputs are cut after this many; the counts are of all. */
const MAX_LISTED = 1000;

/** The program of a `cleanup_checkpoints` stage: deletes files, and records what is gone. */
export async function cleanupCheckpoints(attempt: BuiltinAttempt): Promise<Record<string, unknown>> {
  const cleanup = attempt.spec.builtin!.input as unknown as Cleanup;
  const { best, unknown, kept, doomed } = decideCleanup(cleanup.checkpoints, cleanup);
  attempt.log(
    `${cleanup.job}: ${cleanup.checkpoints.length} checkpoints, ${doomed.length} to delete, ${unknown.length} without ${cleanup.metric}`,
  );
  const deleted: JudgedCheckpoint[] = [];
  const refused: { path: string; reason: string }[] = [];
  const failed: string[] = [];
  // An attempt directory is one name below its root, and what a program leaves in there one more.
  const roots = [{ dir: dirname(attempt.files.dir), depth: 2 }];
  if (cleanup.checkpointDir !== null) roots.push({ dir: cleanup.checkpointDir, depth: 1 });
  for (const checkpoint of doomed) {
    const judged = await judgePath(checkpoint.path, roots);
    const reason = reasonToLeave(judged, checkpoint);
    if (reason !== undefined) {
      attempt.log(`left ${checkpoint.path}: ${reason}`);
      refused.push({ path: checkpoint.path, reason });
      continue;
    }
    if (!cleanup.dryRun) {
      try {
        if (judged.kind === 'there') await rm(judged.path, { recursive: true, force: true });
      } catch (error) {
        failed.push(`${checkpoint.path}: ${messageOf(error)}`);
        continue;
      }
      attempt.append(attempt.files.checkpoints, {
        path: checkpoint.path,
        step: checkpoint.step,
        action: 'deleted',
      });
    }
    attempt.log(`${cleanup.dryRun ? 'would delete' : 'deleted'} ${checkpoint.path}`);
    deleted.push(checkpoint);
  }
  if (failed.length > 0) {
    throw new BuiltinFailure('cleanup_failed', `could not delete ${failed.slice(0, 10).join('; ')}`);
  }
  const paths = (list: readonly JudgedCheckpoint[]) => list.slice(0, MAX_LISTED).map(({ path }) => path);
  return {
    dryRun: cleanup.dryRun,
    counts: {
      ...{ deleted: deleted.length, kept: kept.length, unknown: unknown.length, refused: refused.length },
      bytes: deleted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    },
    deleted: paths(deleted),
    kept: paths(kept),
    best: paths(best),
    unknown: paths(unknown),
    refused: refused.slice(0, MAX_LISTED),
  };
}

/** What is not here is gone only if it was here: a host may have it, and nobody on this machine can delete there. */
function reasonToLeave(judged: Deletable, { host }: JudgedCheckpoint): string | undefined {
  if (judged.kind === 'there') return undefined;
  if (host !== undefined) {
    return `it is on ${host}, and a clean-up stage deletes on its agent's machine only; "retention" of the training job deletes there, when its next training on ${host} has ended`;
  }
  return judged.kind === 'refused' ? judged.reason : undefined;
}
