import { basename, dirname, join } from 'node:path/posix';
import type { TrainingJob, TrainingJobDefinition } from '@trainyard/protocol';

/**
 * A training job like another one under a name of its own. Its checkpoints have a directory of their own, too:
 * in that of the other job each would write over the files of the other, and clean them up.
 */
export function clonedJob(original: TrainingJob, name: string): TrainingJobDefinition {
  const { id: _, baseDir: __, createdAt: ___, updatedAt: ____, checkpointDir, ...definition } = original;
  return {
    ...definition,
    name,
    ...(checkpointDir === undefined ? {} : { checkpointDir: ownDirectory(checkpointDir, name) }),
  };
}

/** Beside the other one, with the name at its end, which no other job has; inside it where its own name says nothing. */
function ownDirectory(dir: string, name: string): string {
  const last = basename(dir);
  if (/^\.{0,2}$/.test(last)) return join(dir, name);
  const own = join(dirname(dir), `${last}-${name}`);
  // A path that begins with "./" says that it is relative, also where `join` finds that too much.
  return dir.startsWith('./') ? `./${own}` : own;
}
