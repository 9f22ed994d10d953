import { homedir } from 'node:os';
import { join } from 'node:path';
import { TrainyardError } from '@trainyard/protocol/plain';
import type { PrivateHosts } from './address-guard.ts';

/** How URLs are fetched. Credentials come from the environment only. */
export interface FetchOptions {
  /** Where fetched files are kept. */
  readonly cacheDir?: string | undefined;
  /** Of all files of a dataset together. */
  readonly maxBytes?: number | undefined;
  /** Of all that is kept; what was not used for longest goes first. */
  readonly maxCacheBytes?: number | undefined;
  readonly connectTimeoutMs?: number | undefined;
  /** Longest time without a byte. */
  readonly stallTimeoutMs?: number | undefined;
  /** Tries of one file; each goes on where the one before stopped, if the server can. */
  readonly attempts?: number | undefined;
  readonly privateHosts?: PrivateHosts | undefined;
  /** AWS_*, HF_TOKEN, HF_ENDPOINT; that of the process, unless given. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface ResolvedFetchOptions {
  readonly cacheDir: string;
  readonly maxBytes: number;
  readonly maxCacheBytes: number;
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly attempts: number;
  readonly privateHosts: PrivateHosts;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const GIB = 1024 ** 3;
export const FETCH_LIMITS = {
  maxBytes: 64 * GIB,
  maxCacheBytes: 128 * GIB,
  connectTimeoutMs: 10_000,
  stallTimeoutMs: 30_000,
  attempts: 4,
  redirects: 5,
  /** Pages of a list of files. */
  treePages: 100,
  treeBytes: 16 * 1024 * 1024,
  /** An entry that was used within this time is not removed. */
  keepUsedMs: 10 * 60_000,
} as const;

/** @throws TrainyardError DATASET_REFUSED where nothing is fetched */
export function resolveFetchOptions(source: string, given: FetchOptions | undefined): ResolvedFetchOptions {
  if (given === undefined) {
    throw new TrainyardError('DATASET_REFUSED', `${source} is a URL, and no URLs are fetched here.`);
  }
  const env = given.env ?? process.env;
  return {
    cacheDir: given.cacheDir ?? defaultCacheDir(env),
    maxBytes: given.maxBytes ?? FETCH_LIMITS.maxBytes,
    maxCacheBytes: given.maxCacheBytes ?? FETCH_LIMITS.maxCacheBytes,
    connectTimeoutMs: given.connectTimeoutMs ?? FETCH_LIMITS.connectTimeoutMs,
    stallTimeoutMs: given.stallTimeoutMs ?? FETCH_LIMITS.stallTimeoutMs,
    attempts: given.attempts ?? FETCH_LIMITS.attempts,
    privateHosts: given.privateHosts ?? [],
    env,
  };
}

function defaultCacheDir(env: Readonly<Record<string, string | undefined>>): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'trainyard', 'datasets');
}
