import { flushCompileCache } from 'node:module';
import { compiledCodeDirectory } from '@trainyard/datasets/cache-directory';

/**
 * For a process that shares its machine with training: the space for new objects stays at a megabyte, where V8 would
 * let it grow to 16 and more, which it can be told only at the start. And where Node strips types from one file, the
 * first one included, what it strips them with stays in memory, 20 MB. So the process starts itself anew, with the
 * same id, once, and takes the compiled code that is kept. To be called when all is loaded, so that all is kept. Where
 * it cannot be done the process goes on as it is.
 */
export function restartSmall(environment: NodeJS.ProcessEnv = process.env): void {
  const compiled = compiledCodeDirectory(environment);
  if (process.execArgv.includes(SMALL_HEAP)) {
    // The programs of jobs are not to get it.
    if (environment[COMPILE_CACHE] === compiled) delete environment[COMPILE_CACHE];
    return;
  }
  const cache = environment[COMPILE_CACHE] ?? compiled;
  try {
    flushCompileCache();
    process.execve?.(
      process.execPath,
      [process.execPath, ...process.execArgv, SMALL_HEAP, ...process.argv.slice(1)],
      { ...environment, ...(cache !== undefined && { [COMPILE_CACHE]: cache }) },
    );
  } catch {
    // A little more memory.
  }
}

const SMALL_HEAP = '--max-semi-space-size=1';
const COMPILE_CACHE = 'NODE_COMPILE_CACHE';
