import { extname } from 'node:path';
import { TrainyardError } from '@trainyard/protocol/plain';
import { type FileFormat, formatByName, unsupported } from '../source/dataset-kind.ts';
import type { SplitChoice } from '../source/hugging-face.ts';
import { type FetchedFile, fetchFile, type RemoteFile } from './fetch-file.ts';
import { type FetchOptions, resolveFetchOptions } from './fetch-options.ts';
import { findHubFiles } from './hf-address.ts';
import { shownUrl } from './http-get.ts';
import { s3File } from './s3-address.ts';

export interface FetchedDataset {
  readonly files: readonly string[];
  readonly format: FileFormat;
  readonly split: SplitChoice;
}

interface FetchRequest {
  readonly fetch: FetchOptions | undefined;
  readonly format: FileFormat | undefined;
  readonly split: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Brings the files of a URL (http, https, s3, hf) into the cache.
 * @throws TrainyardError DATASET_FETCH_FAILED, DATASET_MISSING, DATASET_REFUSED, DATASET_UNSUPPORTED, TOO_LARGE
 */
export async function fetchDataset(source: string, request: FetchRequest): Promise<FetchedDataset> {
  const options = resolveFetchOptions(source, request.fetch);
  const { signal } = request;
  if (/^hf:/i.test(source)) {
    const { files, format, split } = await findHubFiles(source, request.split, options, signal);
    const paths: string[] = [];
    let left = options.maxBytes;
    for (const file of files) {
      const fetched = await fetchFile(file, options, { maxBytes: left, signal });
      left -= fetched.sizeBytes;
      paths.push(fetched.path);
    }
    return { files: paths, format: request.format ?? format, split };
  }
  const file = /^s3:/i.test(source) ? s3File(source, options) : webFile(source);
  if (request.split !== undefined && request.split !== 'train') {
    throw unsupported(
      `${shownUrl(file.url)} is a single file, which is the split "train"; it has no "${request.split}"`,
    );
  }
  const format = request.format ?? formatByName(file.url.pathname);
  const end = extname(file.url.pathname);
  if (format === undefined && end !== '') throw unsupported(`${shownUrl(file.url)} ends in ${end}`);
  const fetched = await fetchFile(file, options, { maxBytes: options.maxBytes, signal });
  return {
    files: [fetched.path],
    format: format ?? formatOfContent(fetched, file.url),
    split: {
      name: 'train',
      available: ['train'],
      chosenBy: request.split === undefined ? 'only one' : 'request',
    },
  };
}

function webFile(source: string): RemoteFile {
  if (!URL.canParse(source)) throw unsupported(`${source} is no URL`);
  const url = new URL(source);
  if (url.username !== '' || url.password !== '') {
    throw new TrainyardError(
      'DATASET_REFUSED',
      `${url.host}: a URL with a user name or password is not fetched.`,
    );
  }
  url.hash = '';
  return { url, headers: async () => ({}) };
}

const CONTENT_TYPES: Readonly<Record<string, FileFormat>> = {
  'text/csv': 'csv',
  'application/json': 'json',
  'application/jsonl': 'jsonl',
  'application/x-ndjson': 'jsonl',
  'application/x-jsonlines': 'jsonl',
  'application/vnd.apache.parquet': 'parquet',
};

/** For addresses whose path says nothing. */
function formatOfContent({ contentType }: FetchedFile, url: URL): FileFormat {
  const format = CONTENT_TYPES[(contentType ?? '').split(';')[0]!.trim().toLowerCase()];
  if (format === undefined)
    throw unsupported(`${shownUrl(url)} does not say its format (${contentType ?? 'no content type'})`);
  return format;
}
