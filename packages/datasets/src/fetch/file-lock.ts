import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { systemCode } from '../dataset-error.ts';

const LOOK_AGAIN_MS = 100;
/** A lock whose writer was ended before it wrote its number. */
const UNSIGNED_LOCK_MS = 10_000;

/**
 * Runs something in one process of this machine at a time. A lock whose process is gone is taken over.
 * @throws the reason of the signal
 */
export async function withFileLock<T>(path: string, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  while (!(await take(path))) {
    await removeIfDead(path);
    await delay(LOOK_AGAIN_MS, undefined, signal === undefined ? {} : { signal });
  }
  try {
    return await run();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid} ${await startOf(process.pid)}`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function removeIfDead(path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const [pid, start] = text.split(' ');
  if (pid === '' || pid === undefined) {
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > UNSIGNED_LOCK_MS) await rm(path, { force: true });
    return;
  }
  if ((await startOf(Number(pid))) !== start) await rm(path, { force: true });
}

/** When a process began, so that another one with its number is told apart; `gone` for none. */
async function startOf(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (status !== undefined) return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown';
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch (error) {
    return systemCode(error) === 'EPERM' ? 'alive' : 'gone';
  }
}
