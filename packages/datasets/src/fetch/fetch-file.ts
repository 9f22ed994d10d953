import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/protocol/plain';
import { messageOf } from '../dataset-error.ts';
import { type CachedFile, FetchCache, type FileVersion } from './fetch-cache.ts';
import type { ResolvedFetchOptions } from './fetch-options.ts';
import { withFileLock } from './file-lock.ts';
import { type HttpAnswer, httpGet, shownUrl, TransferFault } from './http-get.ts';

/** A file to be fetched. */
export interface RemoteFile {
  readonly url: URL;
  /** Credentials, for this request and its repeats. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
}

export interface FetchedFile extends CachedFile {
  /** Of the last answer; null when the cache answered. */
  readonly contentType: string | null;
}

interface Job {
  readonly file: RemoteFile;
  readonly key: string;
  readonly maxBytes: number;
  readonly options: ResolvedFetchOptions;
  readonly cache: FetchCache;
  readonly signal: AbortSignal | undefined;
}

/** Downloads of this process, by cache directory and URL. */
const running = new Map<string, Promise<FetchedFile>>();
const BACKOFF_MS = 250;

/**
 * A file of the cache that is what the server has now. It is fetched when it is not there or has changed, once
 * for all who ask, and goes on where an earlier try stopped.
 * @throws TrainyardError DATASET_FETCH_FAILED, DATASET_MISSING, DATASET_REFUSED, TOO_LARGE
 */
export async function fetchFile(
  file: RemoteFile,
  options: ResolvedFetchOptions,
  limits: { readonly maxBytes: number; readonly signal?: AbortSignal | undefined },
): Promise<FetchedFile> {
  const key = file.url.href;
  const cache = cacheOf(options.cacheDir);
  const name = `${options.cacheDir}\n${key}`;
  const known = running.get(name);
  if (known !== undefined) return known;
  const job: Job = { file, key, options, cache, maxBytes: limits.maxBytes, signal: limits.signal };
  const fetching = (async () => {
    await cache.prepare();
    return withFileLock(cache.lockPath(key), () => fetchWithRetries(job), limits.signal);
  })();
  running.set(name, fetching);
  try {
    return await fetching;
  } finally {
    running.delete(name);
  }
}

const caches = new Map<string, FetchCache>();

/** One for a directory, so that all know what is in use. */
function cacheOf(dir: string): FetchCache {
  const cache = caches.get(dir) ?? new FetchCache(dir);
  caches.set(dir, cache);
  return cache;
}

async function fetchWithRetries(job: Job): Promise<FetchedFile> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await fetchOnce(job);
    } catch (error) {
      job.signal?.throwIfAborted();
      if (!(error instanceof TransferFault)) throw error;
      if (attempt >= job.options.attempts) {
        const message = `${shownUrl(job.file.url)} could not be fetched in ${attempt} tries: ${messageOf(error)}.`;
        throw new TrainyardError('DATASET_FETCH_FAILED', message, { cause: error });
      }
      await delay(
        BACKOFF_MS * 2 ** (attempt - 1),
        undefined,
        job.signal === undefined ? {} : { signal: job.signal },
      );
    }
  }
}

async function fetchOnce(job: Job): Promise<FetchedFile> {
  const { cache, key, file, options, signal } = job;
  const partial = await cache.partial(key);
  const validator = partial === undefined ? undefined : strongValidator(partial);
  const cached = partial === undefined ? await cache.find(key) : undefined;
  const headers: Record<string, string> = { ...(await file.headers()) };
  if (partial !== undefined && validator !== undefined) {
    headers['range'] = `bytes=${partial.sizeBytes}-`;
    headers['if-range'] = validator;
  } else if (cached?.etag !== null && cached?.etag !== undefined) headers['if-none-match'] = cached.etag;
  else if (cached?.lastModified !== null && cached?.lastModified !== undefined) {
    headers['if-modified-since'] = cached.lastModified;
  }
  const answer = await httpGet(file.url, headers, options, signal);
  try {
    if (answer.status === 304 && cached !== undefined) {
      await cache.use(cached);
      return { ...cached, contentType: null };
    }
    if (answer.status === 416 && partial !== undefined) {
      await cache.dropPartial(key);
      throw new TransferFault('the file has become shorter than what was fetched of it');
    }
    checkAnswer(answer, job);
    return await store(answer, job, partial);
  } finally {
    answer.body.destroy();
  }
}

function checkAnswer(answer: HttpAnswer, { file }: Job): void {
  const { status, headers } = answer;
  const place = shownUrl(file.url);
  if (status === 404 || status === 410) {
    throw new TrainyardError('DATASET_MISSING', `There is nothing at ${place} (HTTP ${status}).`);
  }
  if (status === 401 || status === 403) {
    const message = `${place} may not be read (HTTP ${status}); credentials are taken from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, HF_TOKEN).`;
    throw new TrainyardError('DATASET_FETCH_FAILED', message);
  }
  if (status >= 500 || status === 408 || status === 429)
    throw new TransferFault(`${place} answers HTTP ${status}`);
  if (status !== 200 && status !== 206) {
    throw new TrainyardError('DATASET_FETCH_FAILED', `${place} answers HTTP ${status}.`);
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new TrainyardError(
      'DATASET_FETCH_FAILED',
      `${place} is sent compressed (${encoding}) though that was not asked for.`,
    );
  }
}

async function store(
  answer: HttpAnswer,
  job: Job,
  partial: (FileVersion & { readonly sizeBytes: number }) | undefined,
): Promise<FetchedFile> {
  const { cache, key, file } = job;
  const version: FileVersion = {
    etag: answer.headers['etag'] ?? null,
    lastModified: answer.headers['last-modified'] ?? null,
  };
  const from = answer.status === 206 ? rangeStart(answer) : 0;
  if (from > 0 && from !== partial?.sizeBytes)
    throw new TransferFault('another range was sent than asked for');
  const announced = numberOf(answer.headers['content-length']);
  if (announced !== undefined && from + announced > job.maxBytes) throw tooLarge(file.url, job.maxBytes);
  if (from === 0) await cache.beginPartial(key, version);
  await writeBody(answer, job, from, announced);
  const { sha256, sizeBytes } = await hashOf(cache.partialPath(key), job.signal);
  const told = answer.firstHeaders['x-linked-etag']?.replaceAll('"', '');
  if (told !== undefined && /^[0-9a-f]{64}$/.test(told) && told !== sha256) {
    await cache.dropPartial(key);
    throw new TransferFault(`what arrived has the SHA-256 ${sha256}, but ${told} was announced`);
  }
  const entry = { url: key, ...version, sha256, sizeBytes, fileName: fileNameOf(file.url) };
  const kept = await cache.keep(entry);
  await cache.trim(job.options.maxCacheBytes, Date.now());
  return { ...kept, contentType: answer.headers['content-type'] ?? null };
}

async function writeBody(
  answer: HttpAnswer,
  { cache, key, file, maxBytes, signal }: Job,
  from: number,
  announced: number | undefined,
): Promise<void> {
  const handle = await open(cache.partialPath(key), from === 0 ? 'w' : 'a');
  let received = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      received += chunk.length;
      if (from + received > maxBytes) throw tooLarge(file.url, maxBytes);
      await handle.write(chunk);
    }
    await handle.datasync();
  } catch (error) {
    if (error instanceof TrainyardError) {
      await cache.dropPartial(key);
      throw error;
    }
    throw new TransferFault(`the answer broke off after ${from + received} bytes: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await handle.close();
  }
  if (announced !== undefined && received !== announced) {
    throw new TransferFault(`the answer ended after ${received} of ${announced} bytes`);
  }
}

/** Only a strong validator says that bytes are the same. */
function strongValidator({ etag, lastModified }: FileVersion): string | undefined {
  if (etag !== null) return etag.startsWith('W/') ? undefined : etag;
  return lastModified ?? undefined;
}

function rangeStart(answer: HttpAnswer): number {
  const start = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1];
  if (start === undefined) throw new TransferFault('a range was sent without saying which');
  return Number(start);
}

async function hashOf(path: string, signal?: AbortSignal): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024 });
  stream.on('data', (chunk) => {
    sizeBytes += chunk.length;
  });
  await pipeline(stream, hash, signal === undefined ? {} : { signal });
  return { sha256: hash.digest('hex'), sizeBytes };
}

function tooLarge(url: URL, maxBytes: number): TrainyardError {
  return new TrainyardError(
    'TOO_LARGE',
    `${shownUrl(url)} is larger than ${maxBytes} bytes, the limit for fetched datasets.`,
  );
}

function fileNameOf(url: URL): string {
  const name = basename(url.pathname)
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .slice(-150);
  return name === '' || /^\.+$/.test(name) || name === 'entry.json' ? 'data' : name;
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
