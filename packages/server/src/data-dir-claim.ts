import { randomUUID } from 'node:crypto';
import { access, constants, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataDirError, TrainyardError } from '@trainyard/protocol';
import { INSTANCE_HEADER } from './routes/system.ts';

/** A data directory taken by one server; `server.json` in it says by which. */
export interface DataDirClaim {
  /** Adds the token (readable by this user only) with which the command line uses the server. */
  addToken(token: string): Promise<void>;
  /** Removes `server.json` if it is still that of this server. */
  release(): Promise<void>;
}

/** What `server.json` holds. The token comes last, when the server is about to be ready. */
interface ServerAdvert {
  readonly url: string;
  readonly pid: number;
  readonly token?: string | undefined;
}

const FILE = 'server.json';
const PROBE_MS = 1000;
const MAX_ROUNDS = 10;

/**
 * Leaves the address of a listening server where the command line finds it. Of several servers that do so
 * at once exactly one succeeds; a file that a dead server left is replaced.
 * @throws TrainyardError DATA_DIR_IN_USE when another live server has the directory
 */
export async function claimDataDir(
  dataDir: string,
  { instanceId, ...server }: { readonly url: string; readonly pid: number; readonly instanceId: string },
): Promise<DataDirClaim> {
  const path = join(dataDir, FILE);
  await createAdvert(path, { dataDir, text: `${JSON.stringify(server)}\n`, instanceId });
  return {
    async addToken(token) {
      const draft = await writeDraft(path, `${JSON.stringify({ ...server, token })}\n`);
      await rename(draft, path);
    },
    async release() {
      const written = parseAdvert(await readFile(path, 'utf8').catch(() => ''));
      if (written?.url === server.url && written.pid === server.pid) await rm(path, { force: true });
    },
  };
}

/**
 * Makes the directory, if it is not there.
 * @throws TrainyardError USAGE when that cannot be, or it cannot be written
 */
export async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw dataDirError(dataDir, error);
  }
}

/** @throws TrainyardError DATA_DIR_IN_USE when a live server has the directory */
export async function refuseUsedDataDir(dataDir: string): Promise<void> {
  const other = parseAdvert(await readFile(join(dataDir, FILE), 'utf8').catch(() => ''));
  if (other !== undefined && (await isAlive(other))) throw inUse(dataDir, other);
}

async function createAdvert(
  path: string,
  { dataDir, text, instanceId }: { dataDir: string; text: string; instanceId: string },
): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (await createExclusively(path, text)) return;
    const found = await readFile(path, 'utf8').catch(() => undefined);
    if (found === undefined) continue;
    const other = parseAdvert(found);
    if (other !== undefined && (await isAlive(other, instanceId))) throw inUse(dataDir, other);
    await discard(path, found);
  }
  throw new TrainyardError(
    'DATA_DIR_IN_USE',
    `Several servers are being started on the data directory ${dataDir} at once; this one gave up. ` +
      'Start one server per data directory.',
  );
}

/** The file appears under its name with its whole content, or not at all. False when there is one already. */
async function createExclusively(path: string, text: string): Promise<boolean> {
  const draft = await writeDraft(path, text);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeDraft(path: string, text: string): Promise<string> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, text, { mode: 0o600 });
  return draft;
}

/** Removes the file of a dead server, and puts it back if it turns out to be a newer one. */
async function discard(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== stale) await link(aside, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

function parseAdvert(text: string): ServerAdvert | undefined {
  try {
    const { url, pid, token } = JSON.parse(text) as Record<string, unknown>;
    if (typeof url !== 'string' || typeof pid !== 'number') return undefined;
    return { url, pid, token: typeof token === 'string' ? token : undefined };
  } catch {
    return undefined;
  }
}

/**
 * A Trainyard server answers at the address and knows the token, so it is not another one on a reused port;
 * nor is it ourselves, who may listen by now where a dead server did.
 */
async function isAlive({ url, token }: ServerAdvert, ownInstanceId?: string): Promise<boolean> {
  try {
    const health = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(PROBE_MS) });
    const { status } = (await health.json()) as { status?: unknown };
    if (status !== 'ok' || health.headers.get(INSTANCE_HEADER) === ownInstanceId) return false;
    if (token === undefined) return true;
    const answer = await fetch(`${url}/api/v1/runs?limit=1`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(PROBE_MS),
    });
    await answer.body?.cancel();
    return answer.status !== 401;
  } catch {
    return false;
  }
}

function inUse(dataDir: string, { url, pid }: ServerAdvert): TrainyardError {
  return new TrainyardError(
    'DATA_DIR_IN_USE',
    `The data directory ${dataDir} is in use by the Trainyard server at ${url} (pid ${pid}). Use that server, ` +
      'stop it first, or give this one a directory of its own with --data-dir.',
    { details: { dataDir, url, pid } },
  );
}
