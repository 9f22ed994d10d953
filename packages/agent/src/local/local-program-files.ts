import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { judgePath } from '../builtin/inside-directory.ts';
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
    sha256: sha256Local,
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

/** Files of one directory whose sizes are added up. */
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

async function sha256Local(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash, { signal });
  return hash.digest('hex');
}
