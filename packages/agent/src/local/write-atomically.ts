import { readdir, rename, rm, writeFile } from 'node:fs/promises';

/** Replaces a file so that a reader, also one after a crash of this process, sees the old or the new text. */
export async function writeAtomically(path: string, text: string, mode = 0o600): Promise<void> {
  counter += 1;
  const temporary = `${path}.tmp.${process.pid}.${counter}`;
  try {
    await writeFile(temporary, text, { mode });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

let counter = 0;

/** Takes away what processes that are gone were writing when they were killed. */
export async function removeTemporaries(dir: string): Promise<void> {
  for (const name of await readdir(dir).catch(() => [])) {
    const pid = /\.tmp\.(\d+)\.\d+$/.exec(name)?.[1];
    if (pid !== undefined && !isThere(Number(pid))) await rm(`${dir}/${name}`, { force: true });
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
