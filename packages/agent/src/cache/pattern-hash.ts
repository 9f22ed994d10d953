import { createHash } from 'node:crypto';
import { glob, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { FilesUnknown } from './files-unknown.ts';
import type { HashMemory } from './hash-memory.ts';

/** Files that one pattern may stand for. */
const MAX_FILES = 50_000;
/** Written by running code, so it is none. */
const BYTE_CODE = /(^|\/)__pycache__\//;

export interface PatternHash {
  /** Of the names and contents of the files. */
  readonly sha256: string;
  /** Of their names and stamps: the same as long as nobody has touched one of them. */
  readonly stamp: string;
}

export interface ReadOptions {
  readonly baseDir: string;
  readonly memory: HashMemory;
  readonly signal?: AbortSignal | undefined;
  /** Told of what was read. @throws what ends the reading */
  readonly onBytes?: (bytes: number) => void;
}

/**
 * What the files hold that a path, a directory or a glob pattern stands for.
 * @throws FilesUnknown when there are none, or too many
 */
export async function hashPattern(pattern: string, options: ReadOptions): Promise<PatternHash> {
  const { baseDir, memory } = options;
  const names = await filesOf(pattern, options);
  if (names.length === 0) throw new FilesUnknown(`there is no file "${pattern}" in ${baseDir}`);
  const content = createHash('sha256');
  const stamps = createHash('sha256');
  for (const name of names) {
    options.signal?.throwIfAborted();
    const { sha256, stamp } = await memory.hash(resolve(baseDir, name), options);
    content.update(`${name}\0${sha256}\n`);
    stamps.update(`${name}\0${stamp.text}\n`);
  }
  return { sha256: content.digest('hex'), stamp: stamps.digest('hex') };
}

/** In order, relative to the directory; a directory stands for all files in it. */
async function filesOf(pattern: string, { baseDir, signal }: ReadOptions): Promise<string[]> {
  const names = new Set<string>();
  for await (const name of glob([pattern, `${pattern.replace(/\/+$/, '')}/**`], { cwd: baseDir })) {
    signal?.throwIfAborted();
    if (BYTE_CODE.test(name) || !(await stat(resolve(baseDir, name))).isFile()) continue;
    names.add(name);
    if (names.size > MAX_FILES) {
      throw new FilesUnknown(`"${pattern}" stands for more than ${MAX_FILES} files; name fewer`);
    }
  }
  return [...names].sort();
}
