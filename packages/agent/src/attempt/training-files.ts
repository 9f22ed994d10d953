import { symlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { type AttemptFiles, type AttemptSpec, metricsFiles } from '@trainyard/protocol';

/**
 * The metrics files of a training under the names that the file protocol gives them, by its training job:
 * `{jobId}_metrics.jsonl` and `{jobId}_status.json`. None for an attempt that trains nothing.
 */
export function trainingFiles(
  { training }: AttemptSpec,
  files: AttemptFiles,
  which: 'metrics' | 'status',
): string[] {
  return training === undefined ? [] : [metricsFiles(files.metricsDir, training.jobId)[which]];
}

/** A program may append its metrics under the name of its run or of its training job: it is one file. */
export async function linkTrainingMetrics(spec: AttemptSpec, files: AttemptFiles): Promise<void> {
  for (const alias of trainingFiles(spec, files, 'metrics')) {
    await symlink(basename(files.metrics), alias).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
