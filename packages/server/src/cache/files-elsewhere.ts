import { resolve } from 'node:path';
import type { AttemptSpec } from '@trainyard/protocol';

/**
 * Why the files that the cache of a stage names are not those that its program reads on another machine: nobody on
 * this side can see when they change there. Undefined when they are sent there for each attempt. Pure.
 *
 * @param patterns relative to `baseDir`, as the working directory of the stage is
 */
export function filesElsewhere(
  { executor, workingDir, remote }: Pick<AttemptSpec, 'executor' | 'workingDir' | 'remote'>,
  patterns: readonly string[],
  baseDir: string,
): string | undefined {
  if (!/^(ssh|slurm)(:|$)/.test(executor)) return undefined;
  if (remote?.dir !== undefined) return `its files are in ${remote.dir} on another machine`;
  const base = resolve('/', baseDir);
  const folder = resolve(base, workingDir);
  const outside = patterns.find((pattern) => !isInside(folder, resolve(base, pattern), pattern));
  if (outside === undefined) return undefined;
  return `"${outside}" is not in the folder that is sent to the other machine (${workingDir}), so what the program reads there is not known; move it into that folder, or name a version of it in "params" instead`;
}

function isInside(folder: string, path: string, pattern: string): boolean {
  // Where a pattern goes up behind a wildcard leads is only known of real directories.
  if (/[*?[{].*\.\./.test(pattern)) return false;
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}
