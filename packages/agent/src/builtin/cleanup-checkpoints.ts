import { decideCleanup, type JudgedCheckpoint, type KeepPolicy } from '@trainyard/protocol/plain';
import { HOSTS_DIR_VARIABLE } from '../attempt/payload-environment.ts';
import { type BuiltinAttempt, BuiltinFailure } from './attempt.ts';
import { CheckpointRemoval } from './checkpoint-removal.ts';
import { KnownHosts } from './known-hosts.ts';

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
export async function cleanupCheckpoints(
  attempt: BuiltinAttempt,
  hosts = new KnownHosts(process.env[HOSTS_DIR_VARIABLE], attempt.files.dir),
): Promise<Record<string, unknown>> {
  const cleanup = attempt.spec.builtin!.input as unknown as Cleanup;
  const { best, unknown, kept, doomed } = decideCleanup(cleanup.checkpoints, cleanup);
  attempt.log(
    `${cleanup.job}: ${cleanup.checkpoints.length} checkpoints, ${doomed.length} to delete, ${unknown.length} without ${cleanup.metric}`,
  );
  const deleted: JudgedCheckpoint[] = [];
  const refused: { path: string; reason: string }[] = [];
  const failed: string[] = [];
  const removal = new CheckpointRemoval(attempt.files, cleanup, hosts);
  try {
    for (const checkpoint of doomed) {
      const { path, step } = checkpoint;
      const outcome = await removal.of(checkpoint);
      if (outcome.kind === 'failed') failed.push(`${path}: ${outcome.reason}`);
      if (outcome.kind === 'refused') {
        attempt.log(`left ${path}: ${outcome.reason}`);
        refused.push({ path, reason: outcome.reason });
      }
      if (outcome.kind !== 'removed') continue;
      if (!cleanup.dryRun) attempt.append(attempt.files.checkpoints, { path, step, action: 'deleted' });
      attempt.log(`${cleanup.dryRun ? 'would delete' : 'deleted'} ${path}${outcome.on}`);
      deleted.push(checkpoint);
    }
  } finally {
    await hosts.close();
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
