import { createHash } from 'node:crypto';
import { type CacheBasis, cachePatterns, placedPattern, type StageCache } from '@trainyard/protocol';
import { canonicalJson } from '../rerun/canonical-json.ts';

/** Another one makes all keys of before worthless; to be counted up when what a key is made from changes. */
const KEY_FORMAT = 1;

/** Everything that the result of a stage is taken to depend on. */
export interface CacheSubject {
  readonly pipeline: string;
  /** Path in the definition. */
  readonly stage: string;
  /** Of the foreach stages around it. */
  readonly items: readonly unknown[];
  /** Directory of the file that the stage is from, relative to the pipeline file. */
  readonly directory: string;
  /** What an agent is asked to do, with paths relative to the pipeline file. */
  readonly work: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Digests of what the stage depends on, see `upstreamDigest`. */
  readonly upstream: readonly string[];
}

export type CacheKey =
  | { readonly ok: true; readonly key: string }
  /** The result depends on something that is not known. */
  | { readonly ok: false; readonly reason: string };

/** The key under which the result of a stage is used again: the same for the same question. */
export function cacheKey(subject: CacheSubject, cache: StageCache, basis: CacheBasis | null): CacheKey {
  const files = basis?.files ?? {};
  const { directory, params, ...rest } = subject;
  const placed = (pattern: string) => placedPattern(directory, pattern);
  const unknown = cachePatterns(cache)
    .map(placed)
    .find((place) => !Object.hasOwn(files, place));
  if (unknown !== undefined) {
    return {
      ok: false,
      reason: `the content of "${unknown}" is not known; submit from the machine that has the files`,
    };
  }
  const code = cache.code?.map((pattern) => [pattern, files[placed(pattern)]]) ?? basis?.code;
  if (code === undefined) {
    return {
      ok: false,
      reason:
        'the version of its code is not known; name its files in "code", or write "code: []" if it has none',
    };
  }
  const names = cache.params;
  const content = {
    format: KEY_FORMAT,
    ...rest,
    params: names === undefined ? params : Object.fromEntries(names.map((name) => [name, params[name]])),
    inputs: cache.inputs.map((pattern) => [pattern, files[placed(pattern)]]),
    code,
    key: cache.key,
  };
  return { ok: true, key: sha256(canonicalJson(content)) };
}

/** How a stage ended that another one depends on. */
export interface UpstreamResult {
  readonly path: string;
  readonly status: string;
  readonly reason: string | null;
  readonly outputs: unknown;
  /** The run that did the work. */
  readonly producedBy: string;
  /** Datasets that it wrote: name and SHA-256. */
  readonly datasets: readonly (readonly [name: string, sha256: string])[];
}

/**
 * What is known of the data that stages handed on. One that tells nothing of what it wrote, neither outputs nor
 * datasets, is as new as its run: nobody knows whether it wrote the same again.
 */
export function upstreamDigest(results: readonly UpstreamResult[]): string {
  const known = results.map(({ path, status, reason, outputs, producedBy, datasets }) => {
    if (status === 'skipped') return [path, status, reason];
    const isTold =
      (status === 'completed' || status === 'stopped') && (hasContent(outputs) || datasets.length > 0);
    return isTold ? [path, status, outputs, [...datasets].sort()] : [path, status, producedBy];
  });
  return sha256(canonicalJson(known));
}

function hasContent(outputs: unknown): boolean {
  return typeof outputs === 'object' && outputs !== null && Object.keys(outputs).length > 0;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
