import { codeVersion, FilesUnknown, HashMemory, hashPattern } from '@trainyard/agent/cache';
import {
  type CacheBasis,
  cachePatterns,
  type PipelineBody,
  placedPattern,
  type StageCache,
  stageCache,
  TrainyardError,
} from '@trainyard/protocol';

/**
 * What the keys of the cached stages of a pipeline are made from and only this machine can know: hashes of the
 * files that they name, and the version of the code around the file. Undefined without cached stages.
 * @throws TrainyardError USAGE when a pattern stands for no file
 */
export async function readCacheBasis(body: PipelineBody, baseDir: string): Promise<CacheBasis | undefined> {
  const caches = [...cachesOf(body)];
  if (caches.length === 0) return undefined;
  const memory = new HashMemory();
  const files: Record<string, string> = {};
  for (const { path, cache, directory } of caches) {
    for (const pattern of cachePatterns(cache)) {
      const place = placedPattern(directory, pattern);
      files[place] ??= await hashOfPattern(place, { baseDir, memory, stage: path });
    }
  }
  const needsCode = caches.some(({ cache }) => cache.code === undefined);
  const code = needsCode ? await codeVersion(baseDir, { memory }) : undefined;
  return { files, ...(code === undefined ? {} : { code }) };
}

interface Cached {
  readonly path: string;
  readonly cache: StageCache;
  /** Of the file that the stage is from, relative to that of the pipeline file. */
  readonly directory: string;
}

function* cachesOf(body: PipelineBody, around = '', outer = '.'): Generator<Cached> {
  const directory = placedPattern(outer, body.used?.baseDir ?? '.');
  for (const stage of body.stages) {
    const path = around === '' ? stage.name : `${around}/${stage.name}`;
    const cache = stageCache(stage);
    if (cache !== undefined) yield { path, cache, directory };
    if (stage.pipeline !== undefined) yield* cachesOf(stage.pipeline, path, directory);
  }
}

async function hashOfPattern(
  pattern: string,
  { stage, ...options }: { readonly baseDir: string; readonly memory: HashMemory; readonly stage: string },
): Promise<string> {
  try {
    return (await hashPattern(pattern, options)).sha256;
  } catch (error) {
    if (!(error instanceof FilesUnknown)) throw error;
    const message = `The files of the cache of stage "${stage}" cannot be read: ${error.message}.`;
    throw new TrainyardError('USAGE', message, { cause: error });
  }
}
