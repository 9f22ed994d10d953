import { createHash } from 'node:crypto';
import {
  type CacheBasis,
  type CacheHashes,
  cachePatterns,
  placedPattern,
  type StageCache,
} from '@trainyard/protocol';
import { canonicalJson } from '../rerun/canonical-json.ts';

/** Another one makes all keys of before worthless; to be counted up when what a key is made from changes. */
const KEY_FORMAT = 2;

/** Everything that the server knows of what the result of a stage is taken to depend on. */
export interface CacheSubject {
  readonly pipeline: string;
  /** Path in the definition. */
  readonly stage: string;
  /** Of the foreach stages around it. */
  readonly items: readonly unknown[];
  /** What an agent is asked to do, with paths relative to the pipeline file. */
  readonly work: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Digests of what the stage depends on, see `upstreamDigest`. */
  readonly upstream: readonly string[];
}

/** All that a key is made from but the content of files: see `cacheKey`. */
export function cacheDigest({ params, ...rest }: CacheSubject, cache: StageCache): string {
  const names = cache.params;
  return sha256(
    canonicalJson({
      format: KEY_FORMAT,
      ...rest,
      params: names === undefined ? params : Object.fromEntries(names.map((name) => [name, params[name]])),
      inputs: cache.inputs,
      code: cache.code ?? null,
      key: cache.key,
    }),
  );
}

/** The key under which the result of a stage is used again: the same for the same question. */
export function cacheKey(digest: string, { inputs, code }: CacheHashes): string {
  return sha256(canonicalJson({ digest, inputs, code }));
}

/** Whether the key of a stage depends on files. */
export function namesFiles(cache: StageCache): boolean {
  return cache.code === undefined || cachePatterns(cache).length > 0;
}

/**
 * The hashes that came with the submit, if there are all that the key needs.
 * @param directory of the file that the stage is from, relative to the pipeline file
 */
export function submittedHashes(
  directory: string,
  cache: StageCache,
  basis: CacheBasis | null,
): CacheHashes | undefined {
  const files = basis?.files ?? {};
  const hashesOf = (patterns: readonly string[]): string[] =>
    patterns.flatMap((pattern) => {
      const place = placedPattern(directory, pattern);
      return Object.hasOwn(files, place) ? [files[place]!] : [];
    });
  const inputs = hashesOf(cache.inputs);
  const code = cache.code === undefined ? basis?.code : hashesOf(cache.code);
  const isComplete =
    inputs.length === cache.inputs.length &&
    code !== undefined &&
    (cache.code === undefined || code.length === cache.code.length);
  return isComplete ? { inputs, code } : undefined;
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
