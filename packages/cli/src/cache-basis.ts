import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { glob, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  type CacheBasis,
  cachePatterns,
  type PipelineBody,
  placedPattern,
  type StageCache,
  stageCache,
  TrainyardError,
} from '@trainyard/protocol';

/** Files that one pattern may stand for. */
const MAX_FILES = 50_000;
/** Of files that are not in the repository, what is larger counts by size and time instead of its content. */
const MAX_HASHED_UNTRACKED = 1024 * 1024;
const MAX_GIT_OUTPUT = 256 * 1024 * 1024;

/**
 * What the keys of the cached stages of a pipeline are made from and only this machine can know: hashes of the
 * files that they name, and the version of the code around the file. Undefined without cached stages.
 * @throws TrainyardError USAGE when a pattern stands for no file
 */
export async function readCacheBasis(body: PipelineBody, baseDir: string): Promise<CacheBasis | undefined> {
  const caches = [...cachesOf(body)];
  if (caches.length === 0) return undefined;
  const files: Record<string, string> = {};
  for (const { path, cache, directory } of caches) {
    for (const pattern of cachePatterns(cache)) {
      const place = placedPattern(directory, pattern);
      files[place] ??= await hashOfPattern(place, { baseDir, stage: path });
    }
  }
  const needsCode = caches.some(({ cache }) => cache.code === undefined);
  const code = needsCode ? await codeVersion(baseDir) : undefined;
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
  { baseDir, stage }: { readonly baseDir: string; readonly stage: string },
): Promise<string> {
  const hash = createHash('sha256');
  const names = await filesOf(pattern, baseDir);
  if (names.length === 0) {
    throw new TrainyardError(
      'USAGE',
      `The cache of stage "${stage}" names "${pattern}", and there is no such file in ${baseDir}.`,
    );
  }
  if (names.length > MAX_FILES) {
    throw new TrainyardError(
      'USAGE',
      `The cache of stage "${stage}" names "${pattern}", which stands for more than ${MAX_FILES} files. Name fewer.`,
    );
  }
  for (const name of names) hash.update(`${name}\0${await hashOfFile(join(baseDir, name))}\n`);
  return hash.digest('hex');
}

/** In order, relative to the directory; a directory stands for all files in it. */
async function filesOf(pattern: string, baseDir: string): Promise<string[]> {
  const names = new Set<string>();
  for await (const name of glob([pattern, `${pattern.replace(/\/+$/, '')}/**`], { cwd: baseDir })) {
    if (names.size > MAX_FILES) break;
    if ((await stat(join(baseDir, name))).isFile()) names.add(name);
  }
  return [...names].sort();
}

async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * The commit of the git repository around a directory, with a hash of what was changed since; undefined where
 * there is none, or no git.
 */
async function codeVersion(directory: string): Promise<string | undefined> {
  try {
    const top = (await git(directory, 'rev-parse', '--show-toplevel')).trim();
    const commit = (await git(top, 'rev-parse', 'HEAD')).trim();
    const changed = await git(top, 'diff', '--binary', '--no-ext-diff', '--no-textconv', 'HEAD');
    const added = (await git(top, 'ls-files', '-z', '--others', '--exclude-standard'))
      .split('\0')
      .filter(Boolean);
    if (changed === '' && added.length === 0) return commit;
    const hash = createHash('sha256').update(changed);
    for (const name of added.sort()) hash.update(`\0${name}\0${await markOf(join(top, name))}`);
    return `${commit}+${hash.digest('hex').slice(0, 32)}`;
  } catch {
    return undefined;
  }
}

async function markOf(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return size > MAX_HASHED_UNTRACKED ? `${size} ${mtimeMs}` : hashOfFile(path);
}

async function git(directory: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', ['-C', directory, ...args], {
    maxBuffer: MAX_GIT_OUTPUT,
  });
  return stdout;
}
