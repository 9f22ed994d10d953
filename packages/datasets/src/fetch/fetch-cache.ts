import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FETCH_LIMITS } from './fetch-options.ts';

/** Which version of a file a server gave. */
export interface FileVersion {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** What is known of a fetched file. */
export interface CacheEntry extends FileVersion {
  readonly url: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly fileName: string;
}

export interface CachedFile extends CacheEntry {
  readonly path: string;
}

/**
 * Fetched files on disk:
 * `entries/<url and version>/` the file and entry.json, `urls/<url>.json` names the newest entry,
 * `partial/<url>.part` and `.json` what is there of a file that is being fetched.
 * Entries appear by a rename, so one that is there is whole.
 */
export class FetchCache {
  readonly #dir: string;
  readonly #inUse = new Set<string>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  lockPath(url: string): string {
    return join(this.#dir, 'partial', `${hashOf(url)}.lock`);
  }

  partialPath(url: string): string {
    return join(this.#dir, 'partial', `${hashOf(url)}.part`);
  }

  async prepare(): Promise<void> {
    for (const part of ['entries', 'urls', 'partial']) {
      await mkdir(join(this.#dir, part), { recursive: true, mode: 0o700 });
    }
  }

  /** The newest version of a URL that is kept. */
  async find(url: string): Promise<CachedFile | undefined> {
    const newest = await readJson<{ readonly key: string }>(this.#urlPath(url));
    if (newest === undefined || !/^[0-9a-f]{64}$/.test(newest.key)) return undefined;
    const entry = await readJson<CacheEntry>(join(this.#entryDir(newest.key), 'entry.json'));
    if (entry === undefined || entry.url !== url) return undefined;
    const path = join(this.#entryDir(newest.key), entry.fileName);
    const found = await stat(path).catch(() => undefined);
    return found?.size === entry.sizeBytes ? { ...entry, path } : undefined;
  }

  /** Keeps an entry from being removed while this process lives, and notes that it was used. */
  async use({ url, etag, lastModified }: CacheEntry): Promise<void> {
    const key = entryKey(url, { etag, lastModified });
    this.#inUse.add(key);
    const now = new Date();
    await utimes(join(this.#entryDir(key), 'entry.json'), now, now).catch(() => {});
  }

  /** Version and size of what is there of a file. */
  async partial(url: string): Promise<(FileVersion & { readonly sizeBytes: number }) | undefined> {
    const version = await readJson<FileVersion>(`${this.partialPath(url)}.json`);
    const found = await stat(this.partialPath(url)).catch(() => undefined);
    if (version === undefined || found === undefined || found.size === 0) return undefined;
    return { ...version, sizeBytes: found.size };
  }

  async beginPartial(url: string, version: FileVersion): Promise<void> {
    await writeFile(`${this.partialPath(url)}.json`, JSON.stringify(version));
    await writeFile(this.partialPath(url), '');
  }

  async dropPartial(url: string): Promise<void> {
    await rm(this.partialPath(url), { force: true });
    await rm(`${this.partialPath(url)}.json`, { force: true });
  }

  /** Makes an entry of the partial file. */
  async keep(entry: CacheEntry): Promise<CachedFile> {
    const key = entryKey(entry.url, entry);
    const dir = this.#entryDir(key);
    await rm(dir, { recursive: true, force: true });
    const building = `${dir}.new`;
    await rm(building, { recursive: true, force: true });
    await mkdir(building);
    await rename(this.partialPath(entry.url), join(building, entry.fileName));
    await writeFile(join(building, 'entry.json'), JSON.stringify(entry));
    await rename(building, dir);
    await rm(`${this.partialPath(entry.url)}.json`, { force: true });
    await writeFile(`${this.#urlPath(entry.url)}.tmp`, JSON.stringify({ url: entry.url, key }));
    await rename(`${this.#urlPath(entry.url)}.tmp`, this.#urlPath(entry.url));
    await this.use(entry);
    return { ...entry, path: join(dir, entry.fileName) };
  }

  /** Removes what was not used for longest until the rest has at most `maxBytes`. */
  async trim(maxBytes: number, nowMs: number): Promise<void> {
    const entries: { readonly key: string; readonly sizeBytes: number; readonly usedAtMs: number }[] = [];
    for (const key of await readdir(join(this.#dir, 'entries'))) {
      const path = join(this.#entryDir(key), 'entry.json');
      const [entry, found] = await Promise.all([
        readJson<CacheEntry>(path),
        stat(path).catch(() => undefined),
      ]);
      if (entry === undefined || found === undefined) continue;
      entries.push({ key, sizeBytes: entry.sizeBytes, usedAtMs: found.mtimeMs });
    }
    let total = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { key, sizeBytes, usedAtMs } of entries.toSorted((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (total <= maxBytes) return;
      if (this.#inUse.has(key) || nowMs - usedAtMs < FETCH_LIMITS.keepUsedMs) continue;
      await rm(this.#entryDir(key), { recursive: true, force: true });
      total -= sizeBytes;
    }
  }

  #entryDir(key: string): string {
    return join(this.#dir, 'entries', key);
  }

  #urlPath(url: string): string {
    return join(this.#dir, 'urls', `${hashOf(url)}.json`);
  }
}

function entryKey(url: string, { etag, lastModified }: FileVersion): string {
  return hashOf(`${url}\n${etag ?? lastModified ?? ''}`);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
