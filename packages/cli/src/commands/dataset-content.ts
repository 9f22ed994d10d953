import { resolve } from 'node:path';
import type { Dataset } from '@trainyard/datasets';
import {
  DATASET_API_LIMITS,
  DATASET_NAME_RULE,
  type DatasetColumn,
  type DatasetProfileAnswer,
  EXIT,
  isDatasetName,
  type RegisterDatasetVersion,
  TrainyardError,
} from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { readDuration } from '../options/duration-option.ts';
import { profileText, rowsTable } from '../view/dataset-text.ts';
import { isLocalSource, type LocalOptions, versionRef, withDataset } from './dataset-source.ts';
import { withServer } from './runs.ts';

export type { LocalOptions } from './dataset-source.ts';

/** Of queries on files that are read here; the server has its own limit. */
export interface TimeOptions extends LocalOptions {
  readonly timeout?: string;
}

export interface RowOptions extends TimeOptions {
  readonly rows: number;
}

export interface RegisterOptions extends TimeOptions {
  readonly name: string;
  readonly run?: string;
  readonly role: string;
  /** False for `--no-preview`. */
  readonly preview: boolean;
}

interface FoundRows {
  readonly columns: readonly DatasetColumn[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

export async function previewCommand(
  context: CliContext,
  source: string,
  options: RowOptions,
): Promise<number> {
  const found = await answer<FoundRows>(context, source, options, {
    here: async (dataset) => ({
      columns: (await dataset.schema()).columns,
      rows: await firstRows(dataset, options.rows),
    }),
    there: (client, { name, version }) =>
      client.previewDataset(name, version, { rows: Math.min(options.rows, DATASET_API_LIMITS.previewRows) }),
  });
  if (found.rows.length === 0 && options.rows > 0 && !context.json) {
    const names = found.columns.map(({ name }) => name).join(', ');
    context.out(`${source} ${names === '' ? 'is empty' : `has no rows, only columns: ${names}`}.\n`);
    return EXIT.ok;
  }
  context.out(context.json ? jsonText(found) : rowsTable(found.columns, found.rows));
  return EXIT.ok;
}

export async function profileCommand(
  context: CliContext,
  source: string,
  options: TimeOptions,
): Promise<number> {
  const found = await answer(context, source, options, {
    here: async (dataset) =>
      (await dataset.profile(timeLimit(options))) as Omit<DatasetProfileAnswer, 'from'>,
    there: (client, { name, version }) => client.profileDataset(name, version),
  });
  context.out(context.json ? jsonText(found) : profileText(found));
  return EXIT.ok;
}

export async function countCommand(
  context: CliContext,
  source: string,
  options: LocalOptions,
): Promise<number> {
  const { rows } = await answer<{ rows: number }>(context, source, options, {
    here: async (dataset) => ({ rows: await dataset.count() }),
    there: (client, { name, version }) => client.countDataset(name, version),
  });
  context.out(context.json ? jsonText({ rows }) : `${rows}\n`);
  return EXIT.ok;
}

export async function sqlCommand(
  context: CliContext,
  source: string,
  query: string,
  options: RowOptions,
): Promise<number> {
  const { plainRow } = await import('@trainyard/datasets');
  const found = await answer<FoundRows & { readonly isTruncated: boolean }>(context, source, options, {
    here: async (dataset) => {
      const result = await dataset.sql(query, { maxRows: options.rows, ...timeLimit(options) });
      return { ...result, rows: result.rows.map(plainRow) };
    },
    there: (client, { name, version }) =>
      client.queryDataset(name, version, { sql: query, limit: options.rows }),
  });
  context.out(context.json ? jsonText(found) : rowsTable(found.columns, found.rows));
  if (found.isTruncated) context.err(`Only the first ${found.rows.length} rows are shown.\n`);
  return EXIT.ok;
}

/** Reads every row: whatever is broken is an error that names its place. */
export async function validateDatasetCommand(
  context: CliContext,
  source: string,
  options: LocalOptions,
): Promise<number> {
  return withDataset(source, options, async (dataset) => {
    let rows = 0;
    for await (const batch of dataset.batches()) rows += batch.length;
    const { columns } = await dataset.schema();
    const { split, format, sizeBytes } = dataset;
    if (context.json) context.out(jsonText({ source, format, sizeBytes, split, rows, columns }));
    else context.out(`${source}: ${rows} rows, ${columns.length} columns, ${format}${splitText(dataset)}\n`);
    return EXIT.ok;
  });
}

export async function registerCommand(
  context: CliContext,
  source: string,
  options: RegisterOptions,
): Promise<number> {
  // Before the file is read, which may take long.
  if (!isDatasetName(options.name))
    throw new TrainyardError('USAGE', `--name ${JSON.stringify(options.name)}: ${DATASET_NAME_RULE}.`);
  const body = await withDataset(source, options, (dataset) => describe(dataset, options));
  return withServer(context, async ({ client }) => {
    const version = await client.registerDatasetVersion(options.name, body);
    if (context.json) context.out(jsonText(version));
    else
      context.out(
        `${options.name}@${version.sha256.slice(0, 12)}  ${version.rows ?? '?'} rows  ${version.path}\n`,
      );
    return EXIT.ok;
  });
}

async function describe(dataset: Dataset, options: RegisterOptions): Promise<RegisterDatasetVersion> {
  const { role } = options;
  if (role !== 'input' && role !== 'output')
    throw new TrainyardError('USAGE', `--role is input or output, not "${role}".`);
  const { columns } = await dataset.schema();
  if (columns.length > DATASET_API_LIMITS.columns) {
    throw new TrainyardError(
      'TOO_LARGE',
      `It has ${columns.length} columns; at most ${DATASET_API_LIMITS.columns} are registered.`,
    );
  }
  const profile = (await dataset.profile(timeLimit(options))) as NonNullable<
    RegisterDatasetVersion['profile']
  >;
  const rows = options.preview ? await firstRows(dataset, PREVIEW_ROWS) : [];
  const preview = { columns: [...columns], rows } as NonNullable<RegisterDatasetVersion['preview']>;
  const isSmall = JSON.stringify(preview).length <= DATASET_API_LIMITS.storedBytes;
  const { split } = dataset;
  return {
    sha256: await dataset.sha256(),
    sizeBytes: dataset.sizeBytes,
    path: dataset.kind === 'url' ? dataset.files[0]! : resolve(dataset.source),
    source: shownSource(dataset.source),
    format: dataset.format,
    rows: profile.rows,
    columns: [...columns],
    profile: options.preview ? profile : { ...profile, columns: profile.columns.map(withoutValues) },
    ...(options.preview && isSmall ? { preview } : {}),
    ...(options.run === undefined
      ? {}
      : {
          run: {
            id: options.run,
            role,
            ...(split.name === null ? {} : { split: { name: split.name, chosenBy: split.chosenBy } }),
          },
        }),
  };
}

function timeLimit({ timeout }: TimeOptions): { timeoutMs?: number } {
  return timeout === undefined ? {} : { timeoutMs: readDuration('timeout', timeout) };
}

const PREVIEW_ROWS = 20;

async function firstRows(dataset: Dataset, count: number) {
  const { plainRow } = await import('@trainyard/datasets');
  return (await dataset.preview(count)).map(plainRow);
}

/** The query of a URL may be a secret. */
function shownSource(source: string): string {
  return /^https?:/i.test(source) ? source.replace(/[?#].*$/s, '') : source;
}

function withoutValues<T extends { min?: unknown; max?: unknown }>({ min: _, max: __, ...rest }: T) {
  return rest;
}

type Client = Parameters<Parameters<typeof withServer>[1]>[0]['client'];

/** Answers from the file, or has the server answer. */
function answer<T>(
  context: CliContext,
  source: string,
  options: LocalOptions,
  ways: {
    readonly here: (dataset: Dataset) => Promise<T>;
    readonly there: (client: Client, ref: ReturnType<typeof versionRef>) => Promise<T>;
  },
): Promise<T> {
  if (isLocalSource(source)) return withDataset(source, options, ways.here);
  return withServer(context, ({ client }) => ways.there(client, versionRef(source)));
}

function splitText({ split }: Dataset): string {
  return split.name === null
    ? ''
    : `, split "${split.name}" (${split.chosenBy}; there are ${split.available.join(', ')})`;
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
