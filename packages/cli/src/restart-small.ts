import { flushCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { compiledCodeDirectory } from '@trainyard/datasets/cache-directory';

/**
 * For a process that shares its machine with training, which most of what it saves can be told only at the start: the
 * space for new objects stays at a megabyte, where V8 would let it grow to 16 and more; threads share one heap of C's;
 * and where Node strips types from one file, the first one included, what it strips them with stays in memory, 20 MB.
 * So the process starts itself anew, with the same id, once, and takes the compiled code that is kept. To be called
 * when all is loaded, so that all is kept. Where it cannot be done the process goes on as it is.
 */
export function restartSmall(environment: NodeJS.ProcessEnv = process.env): void {
  if (!process.execArgv.includes(SMALL_HEAP)) restart(environment);
  // For this process, not for the programs of jobs.
  for (const name of (environment[SET_BY_US] ?? '').split(',')) delete environment[name];
  delete environment[SET_BY_US];
  // Collected when it has grown by a third, not when it has doubled or more.
  setFlagsFromString('--heap-growing-percent=30');
}

/** Does not return where it can be done. */
function restart(environment: NodeJS.ProcessEnv): void {
  const wanted: Record<string, string | undefined> = {
    NODE_COMPILE_CACHE: compiledCodeDirectory(environment),
    MALLOC_ARENA_MAX: '1',
  };
  const added = Object.entries(wanted).filter(
    ([name, value]) => value !== undefined && environment[name] === undefined,
  );
  try {
    flushCompileCache();
    process.execve?.(
      process.execPath,
      [process.execPath, ...process.execArgv, SMALL_HEAP, ...process.argv.slice(1)],
      { ...environment, ...Object.fromEntries(added), [SET_BY_US]: added.map(([name]) => name).join(',') },
    );
  } catch {
    // A little more memory.
  }
}

const SMALL_HEAP = '--max-semi-space-size=1';
/** Names of the variables that the process has set for itself. */
const SET_BY_US = 'TRAINYARD_SET_AT_RESTART';
