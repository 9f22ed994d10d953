import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { TrainyardError } from '@trainyard/protocol/plain';
import { openFailure } from './open-failure.ts';

export type FileFormat = 'csv' | 'json' | 'jsonl' | 'parquet';
export type DatasetKind = 'huggingface' | 'url' | FileFormat;

const FORMATS: readonly FileFormat[] = ['csv', 'json', 'jsonl', 'parquet'];
const SUPPORTED =
  'supported are a directory with dataset_info.json or dataset_dict.json (Hugging Face), files that end in .csv, .json, .jsonl or .parquet, and http, https, s3 and hf URLs';
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/**
 * What a source is, in this order: a directory that Hugging Face's `save_to_disk` wrote, a file by the end of
 * its name (in any case), a URL.
 * @throws TrainyardError DATASET_UNSUPPORTED naming what is supported, DATASET_MISSING
 */
export async function dataSourceKind(source: string, given?: FileFormat): Promise<DatasetKind> {
  const scheme = SCHEME.exec(source)?.[1]?.toLowerCase();
  if (scheme !== undefined) return schemeKind(source, scheme);
  const found = await stat(source).catch((error: unknown) => {
    throw openFailure(source, error);
  });
  if (found.isDirectory()) {
    const isSaved =
      (await exists(join(source, 'dataset_info.json'))) || (await exists(join(source, 'dataset_dict.json')));
    if (isSaved) return 'huggingface';
    throw unsupported(`${source} is a directory without dataset_info.json`);
  }
  if (!found.isFile()) throw unsupported(`${source} is no regular file`);
  const format = given ?? formatByName(source);
  if (format === undefined) throw unsupported(`${source} has a format that is not known`);
  return format;
}

/** Of a file or of the path of a URL. */
export function formatByName(name: string): FileFormat | undefined {
  const end = extname(name).slice(1).toLowerCase();
  return FORMATS.find((format) => format === end);
}

export function isUrl(source: string): boolean {
  return SCHEME.test(source);
}

export function unsupported(problem: string): TrainyardError {
  return new TrainyardError('DATASET_UNSUPPORTED', `${problem}; ${SUPPORTED}.`);
}

function schemeKind(source: string, scheme: string): DatasetKind {
  if (['http', 'https', 's3', 'hf'].includes(scheme)) return 'url';
  throw unsupported(`${source} has the scheme "${scheme}", which is not read`);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}
