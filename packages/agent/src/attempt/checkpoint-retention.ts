import { appendFile } from 'node:fs/promises';
import type { AgentClient } from '@trainyard/client';
import type { AttemptFiles, AttemptSpec, ReportedCheckpoint } from '@trainyard/protocol';
import type { ProgramFiles } from '../executor.ts';
import { untilAnswered } from '../link/until-answered.ts';
import { readCheckpoints } from './attempt-checkpoints.ts';

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
  if (spec.training?.retention !== true) return;
  const { checkpoints } = await readCheckpoints(files, named);
  const doomed = await askServer(options, checkpoints);
  const { checkpointDir } = spec.training;
  for (const path of doomed) {
    const note = () => appendFile(files.checkpoints, `\n${JSON.stringify({ path, action: 'deleted' })}\n`);
    await named.remove(path, checkpointDir, note);
  }
}

/** Waits for a server that is away; one that refuses has decided that nothing goes. */
async function askServer(
  { spec, token, client, signal }: Parameters<typeof applyRetention>[0],
  checkpoints: readonly ReportedCheckpoint[],
): Promise<readonly string[]> {
  const ask = { checkpoints: [...checkpoints] };
  try {
    return await untilAnswered(() => client.retention(spec.attemptId, token, ask, signal), signal);
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
