import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';

/** Making a draft takes seconds. */
const STALE_DRAFT_MS = 3_600_000;

/**
 * Directory for things that can be made again at any time: `trainyard` below the cache directory of the
 * user (XDG on Linux, Library/Caches on macOS). Undefined when there is no such directory that only this
 * user can write, because what lies in it is executed or becomes somebody's database.
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const directory = join(cacheHome(environment), 'trainyard');
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const found = lstatSync(directory);
    if (!found.isDirectory() || found.uid !== process.geteuid?.()) return undefined;
    if ((found.mode & 0o022) !== 0) chmodSync(directory, 0o700);
    return directory;
  } catch {
    return undefined;
  }
}

/**
 * A new name beside `target`, under which something is made that then gets its own name in one step. Drafts
 * of processes that were killed meanwhile are removed.
 */
export function draftPath(target: string): string {
  const directory = dirname(target);
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(`${basename(target)}.`)) continue;
    const path = join(directory, name);
    const changedAt = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - changedAt > STALE_DRAFT_MS) rmSync(path, { recursive: true, force: true });
  }
  return `${target}.${randomBytes(6).toString('hex')}`;
}

function cacheHome(environment: NodeJS.ProcessEnv): string {
  const configured = environment['XDG_CACHE_HOME'];
  if (configured !== undefined && isAbsolute(configured)) return configured;
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}
