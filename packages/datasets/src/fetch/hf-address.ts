import { posix } from 'node:path';
import { TrainyardError } from '@trainyard/protocol/plain';
import { messageOf } from '../dataset-error.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import { type FileFormat, formatByName, unsupported } from '../source/dataset-kind.ts';
import { chooseSplit, type SplitChoice } from '../source/hugging-face.ts';
import type { RemoteFile } from './fetch-file.ts';
import { FETCH_LIMITS, type ResolvedFetchOptions } from './fetch-options.ts';
import { type HttpAnswer, httpGet, shownUrl } from './http-get.ts';

const DEFAULT_ENDPOINT = 'https://huggingface.co';

interface HubPlace {
  readonly repository: string;
  readonly revision: string;
  readonly path: string;
}

export interface HubFiles {
  readonly files: readonly RemoteFile[];
  readonly format: FileFormat;
  readonly split: SplitChoice;
}

/**
 * The files that `hf://datasets/OWNER/NAME[@REVISION][/PATH]` means: one file, or the files of a split that lie
 * under the path.
 */
export async function findHubFiles(
  source: string,
  wanted: string | undefined,
  options: ResolvedFetchOptions,
  signal?: AbortSignal,
): Promise<HubFiles> {
  const place = parseHubAddress(source);
  const base = (options.env['HF_ENDPOINT'] || DEFAULT_ENDPOINT).replace(/\/+$/, '');
  const token = options.env['HF_TOKEN'];
  const headers = async (): Promise<Record<string, string>> =>
    token ? { authorization: `Bearer ${token}` } : {};
  const fileAt = (path: string): RemoteFile => ({
    url: new URL(
      `${base}/datasets/${place.repository}/resolve/${encodeURIComponent(place.revision)}/${encodePath(path)}`,
    ),
    headers,
  });
  const format = formatByName(place.path);
  if (format !== undefined) {
    if (wanted !== undefined) throw unsupported(`${source} is a single file, which has no split "${wanted}"`);
    return {
      files: [fileAt(place.path)],
      format,
      split: { name: null, available: [], chosenBy: 'no splits' },
    };
  }
  const tree = `${base}/api/datasets/${place.repository}/tree/${encodeURIComponent(place.revision)}/${encodePath(place.path)}?recursive=true`;
  const names = await listFiles(new URL(tree), await headers(), options, signal);
  const chosen = chooseHubFiles(source, names, wanted);
  return { ...chosen, files: chosen.names.map(fileAt) };
}

/** Which of the files of a repository belong to the split. Pure; nothing that is ambiguous is guessed. */
export function chooseHubFiles(
  source: string,
  names: readonly string[],
  wanted: string | undefined,
): { readonly names: readonly string[]; readonly format: FileFormat; readonly split: SplitChoice } {
  const format = (['parquet', 'csv', 'jsonl', 'json'] as const).find((known) =>
    names.some((name) => formatByName(name) === known),
  );
  if (format === undefined) throw unsupported(`${source} has no file of a known format`);
  const data = names.filter((name) => formatByName(name) === format && !/(?:^|\/)\./.test(name));
  const splits = Map.groupBy(data, splitOfName);
  const hasSplits = [...splits.keys()].some((name) => name !== null);
  const split: SplitChoice = hasSplits
    ? chooseSplit(
        source,
        [...splits.keys()].filter((name) => name !== null),
        wanted,
      )
    : wanted === undefined || wanted === 'train'
      ? { name: 'train', available: ['train'], chosenBy: wanted === undefined ? 'only one' : 'request' }
      : chooseSplit(source, ['train'], wanted);
  const chosen = hasSplits ? (splits.get(split.name) ?? []) : data;
  const dirs = [...new Set(chosen.map((name) => posix.dirname(name)))];
  if (dirs.length > 1) {
    throw unsupported(
      `${source} has files of the split "${split.name}" in ${dirs.sort().join(', ')}; put one of these behind the address`,
    );
  }
  if (chosen.length > DATASET_LIMITS.files)
    throw unsupported(`${source} has more than ${DATASET_LIMITS.files} files`);
  return { names: chosen.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })), format, split };
}

/** By the words that Hugging Face looks for in names of files and directories. */
function splitOfName(path: string): string | null {
  const has = (words: string): boolean =>
    new RegExp(`(?:^|[/_.\\- ])(?:${words})(?:[/_.\\- \\d]|$)`, 'i').test(path);
  if (has('train|training')) return 'train';
  if (has('validation|valid|val|dev')) return 'validation';
  return has('test|testing|eval|evaluation') ? 'test' : null;
}

export function parseHubAddress(source: string): HubPlace {
  const [, rest = ''] = /^hf:\/\/datasets\/(.+)$/i.exec(source) ?? [];
  const match = /^([\w.-]+\/[\w.-]+)(?:@([^/]+))?(?:\/(.*))?$/.exec(rest);
  const repository = match?.[1];
  const path = (match?.[3] ?? '').replace(/\/+$/, '');
  if (repository === undefined || /(?:^|\/)\.{1,2}(?:\/|$)/.test(`${repository}/${path}`)) {
    throw new TrainyardError(
      'DATASET_UNSUPPORTED',
      `${source} is no address of a dataset; write hf://datasets/OWNER/NAME, with @REVISION and /PATH if needed.`,
    );
  }
  const revision =
    match?.[2] === '~parquet' ? 'refs/convert/parquet' : decodeURIComponent(match?.[2] ?? 'main');
  return { repository, revision, path };
}

async function listFiles(
  first: URL,
  headers: Readonly<Record<string, string>>,
  options: ResolvedFetchOptions,
  signal?: AbortSignal,
): Promise<string[]> {
  const names: string[] = [];
  let url: URL | undefined = first;
  for (let page = 0; url !== undefined && page < FETCH_LIMITS.treePages; page += 1) {
    const answer: HttpAnswer = await httpGet(url, headers, options, signal).catch((error: unknown) => {
      if (error instanceof TrainyardError) throw error;
      throw new TrainyardError(
        'DATASET_FETCH_FAILED',
        `The files of ${shownUrl(first)} cannot be listed: ${messageOf(error)}.`,
        { cause: error },
      );
    });
    try {
      if (answer.status !== 200) {
        const code = answer.status === 404 ? 'DATASET_MISSING' : 'DATASET_FETCH_FAILED';
        throw new TrainyardError(
          code,
          `The files of ${shownUrl(first)} cannot be listed (HTTP ${answer.status}).`,
        );
      }
      names.push(...readTree(await readText(answer.body), first));
      const next: string | undefined = /<([^>]+)>;\s*rel="next"/.exec(answer.headers['link'] ?? '')?.[1];
      url = next === undefined ? undefined : sameHost(new URL(next, url), first);
    } finally {
      answer.body.destroy();
    }
  }
  return names;
}

/** The token goes along, so a list goes on at its own host only. */
function sameHost(next: URL, first: URL): URL {
  if (next.origin === first.origin) return next;
  throw new TrainyardError(
    'DATASET_REFUSED',
    `The list of files at ${shownUrl(first)} goes on at ${next.host}.`,
  );
}

function readTree(text: string, url: URL): string[] {
  try {
    const entries = JSON.parse(text) as { type?: unknown; path?: unknown }[];
    return entries.flatMap(({ type, path }) => (type === 'file' && typeof path === 'string' ? [path] : []));
  } catch (error) {
    throw new TrainyardError('DATASET_FETCH_FAILED', `${shownUrl(url)} answers no list of files.`, {
      cause: error,
    });
  }
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > FETCH_LIMITS.treeBytes)
      throw new TrainyardError('TOO_LARGE', 'The list of files is too long.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
