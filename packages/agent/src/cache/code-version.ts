import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HashMemory } from './hash-memory.ts';

/** Of files that are not in the repository, what is larger counts by size and time instead of its content. */
const MAX_HASHED_UNTRACKED = 1024 * 1024;
const MAX_GIT_OUTPUT = 256 * 1024 * 1024;

/**
 * The commit of the git repository around a directory, with a hash of what was changed since; undefined where
 * there is none, or no git.
 */
export async function codeVersion(
  directory: string,
  options: { readonly memory?: HashMemory; readonly signal?: AbortSignal | undefined } = {},
): Promise<string | undefined> {
  const { memory = new HashMemory(), signal } = options;
  const git = (at: string, ...args: string[]) => runGit(at, args, signal);
  try {
    const top = (await git(directory, 'rev-parse', '--show-toplevel')).trim();
    const commit = (await git(top, 'rev-parse', 'HEAD')).trim();
    const changed = await git(top, 'diff', '--binary', '--no-ext-diff', '--no-textconv', 'HEAD');
    const added = (await git(top, 'ls-files', '-z', '--others', '--exclude-standard'))
      .split('\0')
      .filter(Boolean);
    if (changed === '' && added.length === 0) return commit;
    const hash = createHash('sha256').update(changed);
    for (const name of added.sort()) hash.update(`\0${name}\0${await markOf(join(top, name), memory)}`);
    return `${commit}+${hash.digest('hex').slice(0, 32)}`;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

async function markOf(path: string, memory: HashMemory): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return size > MAX_HASHED_UNTRACKED ? `${size} ${mtimeMs}` : (await memory.hash(path)).sha256;
}

async function runGit(
  directory: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string> {
  const { stdout } = await promisify(execFile)('git', ['-C', directory, ...args], {
    maxBuffer: MAX_GIT_OUTPUT,
    ...(signal === undefined ? {} : { signal }),
  });
  return stdout;
}
