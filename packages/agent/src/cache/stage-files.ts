import { resolve } from 'node:path';
import type { AttemptCache, CacheHashes } from '@trainyard/protocol';
import { sizeText } from '../stream/stream-notes.ts';
import { codeVersion } from './code-version.ts';
import { FilesUnknown } from './files-unknown.ts';
import type { HashMemory } from './hash-memory.ts';
import { hashPattern, type ReadOptions } from './pattern-hash.ts';

/** What one look at the files of a stage may take. */
export interface CacheReadLimits {
  /** Not counting what is known from before. */
  readonly bytes: number;
  readonly ms: number;
}
export const CACHE_READ_LIMITS: CacheReadLimits = { bytes: 200 * 1024 ** 3, ms: 10 * 60_000 };

export interface StageFiles {
  readonly hashes: CacheHashes;
  /** The same as long as nobody has touched one of the files. */
  readonly stamp: string;
}

/**
 * What the files that the key of a stage depends on hold now.
 * @throws FilesUnknown when that cannot be told within the limits, and the signal's reason
 */
export async function readStageFiles(
  cache: AttemptCache,
  options: {
    readonly memory: HashMemory;
    readonly limits: CacheReadLimits;
    readonly signal: AbortSignal;
    /** Told of all that was read so far. */
    readonly onProgress?: (bytes: number) => void;
  },
): Promise<StageFiles> {
  const { memory, limits, signal, onProgress } = options;
  const time = AbortSignal.timeout(limits.ms);
  let total = 0;
  const reading = {
    baseDir: resolve(cache.baseDir),
    memory,
    signal: AbortSignal.any([signal, time]),
    onBytes: (bytes: number) => {
      total += bytes;
      if (total > limits.bytes) {
        throw new FilesUnknown(`the files that it names are larger than ${sizeText(limits.bytes)}`);
      }
      onProgress?.(total);
    },
  };
  try {
    return await readAll(cache, reading);
  } catch (error) {
    signal.throwIfAborted();
    if (time.aborted) {
      throw new FilesUnknown(`reading the files that it names took longer than ${limits.ms / 1000} s`);
    }
    if (error instanceof FilesUnknown) throw error;
    throw new FilesUnknown(`the files that it names could not be read: ${String(error)}`, { cause: error });
  }
}

async function readAll(cache: AttemptCache, reading: ReadOptions): Promise<StageFiles> {
  const stamps: string[] = [];
  const hashAll = async (patterns: readonly string[]): Promise<string[]> => {
    const hashes: string[] = [];
    for (const pattern of patterns) {
      const { sha256, stamp } = await hashPattern(pattern, reading);
      hashes.push(sha256);
      stamps.push(stamp);
    }
    return hashes;
  };
  const inputs = await hashAll(cache.inputs);
  const code = cache.code === null ? await codeVersion(reading.baseDir, reading) : await hashAll(cache.code);
  if (code === undefined) {
    throw new FilesUnknown(
      `the version of its code is not known, since ${reading.baseDir} is in no git repository; name its files in "code", or write "code: []" if it has none`,
    );
  }
  return { hashes: { inputs, code }, stamp: stamps.join(' ') };
}
