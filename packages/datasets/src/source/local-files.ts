import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { TrainyardError } from '@trainyard/protocol/plain';
import { openFailure } from './open-failure.ts';

/**
 * Real paths of files. With roots every file has to lie in one of them, wherever links lead.
 * @throws TrainyardError DATASET_MISSING, DATASET_REFUSED
 */
export async function realFiles(
  paths: readonly string[],
  roots: readonly string[] | undefined,
): Promise<{ readonly files: readonly string[]; readonly sizeBytes: number }> {
  const realRoots = roots === undefined ? undefined : await Promise.all(roots.map(realRoot));
  const files: string[] = [];
  let sizeBytes = 0;
  for (const path of paths) {
    const real = await realpath(path).catch((error: unknown) => {
      throw openFailure(path, error);
    });
    if (realRoots !== undefined && !realRoots.some((root) => isInside(root, real))) throw outside(path);
    const found = await stat(real);
    if (!found.isFile()) throw new TrainyardError('DATASET_REFUSED', `${path} is no regular file.`);
    files.push(real);
    sizeBytes += found.size;
  }
  return { files, sizeBytes };
}

/** Refuses a path outside of the roots before anything is looked at. */
export async function checkInsideRoots(path: string, roots: readonly string[]): Promise<void> {
  const absolute = resolve(path);
  const real = await realpath(absolute).catch(() => absolute);
  const realRoots = await Promise.all(roots.map(realRoot));
  const isAllowed = realRoots.some((root) => isInside(root, real));
  if (!isAllowed) throw outside(path);
}

/**
 * SHA-256 of a file. Of several files it is that of the lines `hash  name`, as `sha256sum` prints them, in the
 * order of the rows.
 */
export async function hashFiles(files: readonly string[], signal?: AbortSignal): Promise<string> {
  const hashes: string[] = [];
  for (const file of files) {
    const hash = createHash('sha256');
    const stream = createReadStream(file, { highWaterMark: 1024 * 1024 });
    await pipeline(stream, hash, signal === undefined ? {} : { signal });
    hashes.push(hash.digest('hex'));
  }
  if (hashes.length === 1) return hashes[0]!;
  const lines = files.map((file, index) => `${hashes[index]}  ${basename(file)}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

function realRoot(root: string): Promise<string> {
  return realpath(root).catch(() => resolve(root));
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function outside(path: string): TrainyardError {
  return new TrainyardError(
    'DATASET_REFUSED',
    `${path} lies outside of the directories from which datasets may be read.`,
  );
}
