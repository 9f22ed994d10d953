import { statSync } from 'node:fs';
import { flushCompileCache, getCompileCacheDir } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { compiledCodeDirectory } from '@trainyard/datasets/cache-directory';
import { collectWhenGrown } from './collect-when-grown.ts';

/**
 * For a process that shares its machine with training, which most of what it saves can be told only at the start: the
 * space for new objects stays at a megabyte, where V8 would let it grow to 16 and more; threads share one heap of C's,
 * which gives large blocks back; and where Node strips types from one file, the first one included, what it strips them
 * with stays in memory, 14 MB. So the process starts itself anew, with the same id, and takes the compiled code that is
 * kept; once more where some of it was not kept yet. To be called when all is loaded, so that all is kept. Where it
 * cannot be done the process goes on as it is.
 */
export function restartSmall(environment: NodeJS.ProcessEnv = process.env): void {
  const isFirst = !process.execArgv.includes(SMALL_HEAP);
  if (isFirst || (environment[RESTARTED] === 'once' && wasCompiledAnew()))
    restart(environment, isFirst ? 'once' : 'twice');
  // For this process, not for the programs of jobs.
  for (const name of (environment[SET_BY_US] ?? '').split(',')) delete environment[name];
  delete environment[SET_BY_US];
  delete environment[RESTARTED];
  // Collected when it has grown by a fifth, not when it has doubled or more.
  setFlagsFromString('--heap-growing-percent=20');
  const { gc } = globalThis;
  if (gc !== undefined) collectWhenGrown(() => gc({ type: 'major', flavor: 'last-resort' }));
}

/** Does not return where it can be done. */
function restart(environment: NodeJS.ProcessEnv, round: 'once' | 'twice'): void {
  const wanted: Record<string, string | undefined> = {
    NODE_COMPILE_CACHE: compiledCodeDirectory(environment),
    MALLOC_ARENA_MAX: '1',
    // Otherwise C raises it to the size of the largest block that it was given back.
    MALLOC_MMAP_THRESHOLD_: '131072',
  };
  const added = Object.entries(wanted).filter(
    ([name, value]) => value !== undefined && environment[name] === undefined,
  );
  const names = added.map(([name]) => name).join(',');
  const flags = round === 'once' ? FLAGS : [];
  try {
    flushCompileCache();
    process.execve?.(
      process.execPath,
      [process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)],
      {
        ...environment,
        ...Object.fromEntries(added),
        [SET_BY_US]: environment[SET_BY_US] ?? names,
        [RESTARTED]: round,
      },
    );
  } catch {
    // A little more memory.
  }
}

/** Has this process compiled what the next one will find? Code is kept for the flags that it was compiled with. */
function wasCompiledAnew(): boolean {
  const directory = getCompileCacheDir();
  if (directory === undefined) return false;
  const before = statSync(directory).mtimeMs;
  flushCompileCache();
  return statSync(directory).mtimeMs !== before;
}

const SMALL_HEAP = '--max-semi-space-size=1';
/** Without the second compiler, whose code alone is 5 MB that the process would read in to save little. */
const FLAGS = [SMALL_HEAP, '--no-opt', '--expose-gc'];
/** Names of the variables that the process has set for itself. */
const SET_BY_US = 'TRAINYARD_SET_AT_RESTART';
const RESTARTED = 'TRAINYARD_RESTARTED';
