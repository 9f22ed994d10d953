import { createHash } from 'node:crypto';
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { judgePath } from '../builtin/inside-directory.ts';
import { HashMemory } from '../cache/hash-memory.ts';
import type { ProgramFiles } from '../executor.ts';

/**
 * Files of this machine.
 * @param attemptsDir directory of all attempts; without it only what lies in a directory of the job is removed
 */
export function localProgramFiles(workingDir: string, attemptsDir?: string): ProgramFiles {
  return {
    isLocal: true,
    workingDir: resolve(workingDir),
    stat: statLocal,
    sha256: async (path, signal) => (await memory.hash(path, { signal })).sha256,
    sha256OfDirectory,
    async remove(path, alsoIn, before) {
      // An attempt directory is one name below its root, and what a program leaves in there one more.
      const roots = attemptsDir === undefined ? [] : [{ dir: attemptsDir, depth: 2 }];
      if (alsoIn !== undefined) roots.push({ dir: alsoIn, depth: 1 });
      const judged = await judgePath(path, roots);
      if (judged.kind === 'refused') return;
      await before();
      if (judged.kind === 'there')
        await rm(judged.path, { recursive: true, force: true }).catch(() => undefined);
    },
  };
}

/** Shared by all attempts of the process, since what one has saved another one goes on from, and names again. */
const memory = new HashMemory();

/** Files of one directory whose sizes are added up, or that are hashed. */
const MAX_FILES = 100_000;

async function statLocal(path: string): ReturnType<ProgramFiles['stat']> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.isFile()) return { kind: 'file', sizeBytes: found.size };
  return { kind: 'directory', sizeBytes: found.isDirectory() ? await sizeOfDirectory(path) : found.size };
}

async function sizeOfDirectory(path: string): Promise<number> {
  let bytes = 0;
  let files = 0;
  const open = [path];
  for (let dir = open.pop(); dir !== undefined && files < MAX_FILES; dir = open.pop()) {
    for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
      files += 1;
      const inner = join(dir, entry.name);
      if (entry.isDirectory()) open.push(inner);
      else bytes += (await lstat(inner).catch(() => undefined))?.size ?? 0;
    }
  }
  return bytes;
}

async function sha256OfDirectory(path: string, signal: AbortSignal): Promise<string> {
  const names = await regularFilesIn(path);
  const hash = createHash('sha256');
  for (const name of names) {
    const { sha256 } = await memory.hash(join(path, name), { signal });
    hash.update(`${sha256}  ${name}\0`);
  }
  return hash.digest('hex');
}

/** Of all levels, as `./PATH`, in the order of their bytes. @throws when there are too many */
async function regularFilesIn(path: string): Promise<string[]> {
  const files: Buffer[] = [];
  const open = ['.'];
  for (let dir = open.pop(); dir !== undefined; dir = open.pop()) {
    for (const entry of await readdir(join(path, dir), { withFileTypes: true })) {
      const name = `${dir}/${entry.name}`;
      if (entry.isDirectory()) open.push(name);
      else if (entry.isFile()) files.push(Buffer.from(name));
      if (files.length > MAX_FILES) throw new Error(`${path} has more than ${MAX_FILES} files`);
    }
  }
  // As texts of JavaScript they would be in the order of their UTF-16 units.
  return files.sort(Buffer.compare).map(String);
}
