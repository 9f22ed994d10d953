import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

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
 * Keeps compiled code for the next process of this user, which halves the time until a program has started. Not
 * in Node's default place below the temporary directory, where another user could lay down code for us.
 */
export function keepCompiledCode(environment: NodeJS.ProcessEnv = process.env): void {
  const directory = compiledCodeDirectory(environment);
  if (directory !== undefined) enableCompileCache(directory);
}

/** Where it is kept; undefined where it is not. */
export function compiledCodeDirectory(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const directory = cacheDirectory(environment);
  return directory === undefined ? undefined : join(directory, 'compiled');
}

function cacheHome(environment: NodeJS.ProcessEnv): string {
  const configured = environment['XDG_CACHE_HOME'];
  if (configured !== undefined && isAbsolute(configured)) return configured;
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}
