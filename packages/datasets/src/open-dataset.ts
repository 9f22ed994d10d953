import { resolve } from 'node:path';
import { DATASET_LIMITS } from './dataset-limits.ts';
import type { Row } from './dataset-value.ts';
import type { QueryLimits, QueryResult } from './duckdb/run-query.ts';
import { fetchDataset } from './fetch/fetch-dataset.ts';
import type { FetchOptions } from './fetch/fetch-options.ts';
import type { DatasetProfile } from './query-dataset.ts';
import { createQueries } from './query-dataset.ts';
import { arrowReader, parquetReader } from './read/binary-readers.ts';
import type { CsvOptions } from './read/csv-rows.ts';
import type { DatasetSchema, FormatReader } from './read/format-reader.ts';
import type { JsonOptions } from './read/json-rows.ts';
import { csvReader, jsonlReader, jsonReader } from './read/text-readers.ts';
import {
  type DatasetKind,
  dataSourceKind,
  type FileFormat,
  isUrl,
  unsupported,
} from './source/dataset-kind.ts';
import { findSavedDataset, type SplitChoice } from './source/hugging-face.ts';
import { checkInsideRoots, hashFiles, realFiles } from './source/local-files.ts';

export interface DatasetOptions {
  /** Which part of a dataset with splits; `train` if there is one, unless given. */
  readonly split?: string | undefined;
  /** Instead of that of the file's name. */
  readonly format?: FileFormat | undefined;
  readonly csv?: CsvOptions | undefined;
  readonly json?: JsonOptions | undefined;
  /** Directories in which local files have to lie; anywhere, unless given. */
  readonly roots?: readonly string[] | undefined;
  /** How URLs are fetched; they are refused without. */
  readonly fetch?: FetchOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A dataset that was found. Reading starts with the first call; every call reads anew. */
export interface Dataset {
  /** As it was given. */
  readonly source: string;
  readonly kind: DatasetKind;
  readonly format: FileFormat | 'arrow';
  /** Local files in the order of their rows; real paths. */
  readonly files: readonly string[];
  readonly sizeBytes: number;
  readonly split: SplitChoice;
  schema(): Promise<DatasetSchema>;
  /** Rows in order. Nothing is read ahead: a slow reader slows the reading. */
  rows(signal?: AbortSignal): AsyncGenerator<Row, void>;
  /** The same in batches, which costs less per row. */
  batches(signal?: AbortSignal): AsyncGenerator<Row[], void>;
  count(signal?: AbortSignal): Promise<number>;
  /** The first rows, at most 1000. */
  preview(rows?: number): Promise<Row[]>;
  profile(limits?: QueryLimits): Promise<DatasetProfile>;
  /** One SELECT on the table `data`. */
  sql(query: string, limits?: QueryLimits): Promise<QueryResult>;
  /** Of the file, or over the hashes and names of the files. */
  sha256(signal?: AbortSignal): Promise<string>;
  /** Removes what was written to answer SQL. */
  close(): Promise<void>;
}

/**
 * Finds a dataset: a directory saved by Hugging Face, a file by the end of its name, or a URL, in this order.
 * @throws TrainyardError DATASET_UNSUPPORTED, DATASET_MISSING, DATASET_REFUSED, DATASET_INVALID, DATASET_FETCH_FAILED
 */
export async function openDataset(source: string, options: DatasetOptions = {}): Promise<Dataset> {
  const { split, parts, kind, format } = await locate(source, options);
  const roots = isUrl(source) ? undefined : options.roots;
  const { files, sizeBytes } = await realFiles(parts, roots);
  const reader = readerOf(format, files, options);
  const queries = createQueries(reader, files, source);
  async function* rows(signal?: AbortSignal): AsyncGenerator<Row, void> {
    for await (const batch of reader.batches(signal)) yield* batch;
  }
  return {
    source,
    kind,
    format,
    files,
    sizeBytes,
    split,
    schema: () => reader.schema(),
    rows,
    batches: (signal) => reader.batches(signal),
    count: (signal) => reader.count(signal),
    preview: (count = 20) => takeRows(rows(), Math.min(count, DATASET_LIMITS.previewRows)),
    profile: queries.profile,
    sql: queries.sql,
    sha256: (signal) => hashFiles(files, signal),
    close: queries.close,
  };
}

interface Located {
  readonly kind: DatasetKind;
  readonly format: FileFormat | 'arrow';
  readonly parts: readonly string[];
  readonly split: SplitChoice;
}

async function locate(source: string, options: DatasetOptions): Promise<Located> {
  const { roots, split: wanted } = options;
  if (!isUrl(source) && roots !== undefined) await checkInsideRoots(source, roots);
  const kind = await dataSourceKind(source, options.format);
  if (kind === 'url') {
    const { fetch, format, signal } = options;
    const fetched = await fetchDataset(source, { fetch, format, split: wanted, signal });
    return { kind, format: fetched.format, parts: fetched.files, split: fetched.split };
  }
  if (kind === 'huggingface') {
    const { shards, split } = await findSavedDataset(resolve(source), wanted);
    return { kind, format: 'arrow', parts: shards, split };
  }
  if (wanted !== undefined) throw unsupported(`${source} is a single file, which has no split "${wanted}"`);
  return { kind, format: kind, parts: [resolve(source)], split: NO_SPLIT };
}

function readerOf(
  format: FileFormat | 'arrow',
  files: readonly string[],
  options: DatasetOptions,
): FormatReader {
  switch (format) {
    case 'csv':
      return csvReader(files, options.csv ?? {});
    case 'json':
      return jsonReader(files, options.json ?? {});
    case 'jsonl':
      return jsonlReader(files);
    case 'parquet':
      return parquetReader(files);
    case 'arrow':
      return arrowReader(files);
  }
}

const NO_SPLIT: SplitChoice = { name: null, available: [], chosenBy: 'no splits' };

async function takeRows(rows: AsyncGenerator<Row, void>, count: number): Promise<Row[]> {
  const taken: Row[] = [];
  if (count <= 0) return taken;
  for await (const row of rows) if (taken.push(row) >= count) break;
  return taken;
}
