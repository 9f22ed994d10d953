import { appendFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type AgentClient, isServerDown } from '@trainyard/client';
import type { AttemptFiles, AttemptSpec, ReportedCheckpoint } from '@trainyard/protocol';
import { readCheckpoints } from './attempt-checkpoints.ts';
import { Backoff } from './backoff.ts';
import { judgePath } from './builtin/inside-directory.ts';
import type { ProgramFiles } from './executor.ts';

/**
 * Asks the server which checkpoints of the attempt's training job have to go now, and deletes their files. Each
 * deletion is written to checkpoints.jsonl first, where a line about a file that is still there counts for
 * nothing: after a crash in between the next report says what is on disk. What cannot be deleted stays recorded.
 */
export async function applyRetention(options: {
  readonly spec: AttemptSpec;
  readonly files: AttemptFiles;
  readonly named: ProgramFiles;
  readonly token: string;
  readonly client: Pick<AgentClient, 'retention'>;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { spec, files, named } = options;
  // What is on another machine is not deleted from here.
  if (!named.isLocal) return;
  if (spec.training?.retention !== true) return;
  const { checkpoints } = await readCheckpoints(files, named);
  const doomed = await askServer(options, checkpoints);
  // An attempt directory is one name below its root, and what a program leaves in there one more.
  const roots = [{ dir: dirname(files.dir), depth: 2 }];
  const { checkpointDir } = spec.training;
  if (checkpointDir !== undefined) roots.push({ dir: checkpointDir, depth: 1 });
  for (const path of doomed) {
    const judged = await judgePath(path, roots);
    if (judged.kind === 'refused') continue;
    await appendFile(files.checkpoints, `\n${JSON.stringify({ path, action: 'deleted' })}\n`);
    if (judged.kind === 'there')
      await rm(judged.path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Waits for a server that is away; one that refuses has decided that nothing goes. */
async function askServer(
  { spec, token, client, signal }: Parameters<typeof applyRetention>[0],
  checkpoints: readonly ReportedCheckpoint[],
): Promise<readonly string[]> {
  const backoff = new Backoff({ firstMs: 250, maxMs: 10_000 });
  for (;;) {
    try {
      return await client.retention(spec.attemptId, token, { checkpoints: [...checkpoints] }, signal);
    } catch (error) {
      signal.throwIfAborted();
      const isAway = isServerDown(error) || (error as { code?: unknown }).code === 'SERVER_UNREACHABLE';
      if (!isAway) return [];
      await backoff.wait(signal);
    }
  }
}
