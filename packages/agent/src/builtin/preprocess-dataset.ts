import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { PreprocessConfig } from '@trainyard/protocol';
import { PREPROCESS_LIMITS, toDatasetName } from '@trainyard/protocol/plain';
import { type BuiltinAttempt, BuiltinFailure } from './attempt.ts';
import { splitRows, takeSteps } from './preprocess/row-steps.ts';
import { openTable, readTable, type Table, type TableFormat, tableLines } from './preprocess/table-text.ts';

interface Preprocessing {
  readonly source: {
    /** Absolute. */
    readonly path: string;
    /** Of the dataset version; null for a file that was named by its path. */
    readonly name: string | null;
    /** What the version had when it was recorded. */
    readonly sha256: string | null;
  };
  readonly config: Omit<PreprocessConfig, 'output'> & {
    readonly output: Omit<PreprocessConfig['output'], 'dir'> & { readonly dir: string | null };
  };
}

interface WrittenDataset {
  readonly name: string;
  readonly path: string;
  readonly rows: number;
  readonly sha256: string;
}

/** The program of a `preprocess_dataset` stage: reads a table, takes the steps, writes and records files. */
export async function preprocessDataset(attempt: BuiltinAttempt): Promise<Record<string, unknown>> {
  const { source, config } = attempt.spec.builtin!.input as unknown as Preprocessing;
  const table = await readSource(source, formatOf(source.path, config.format));
  attempt.log(`read ${table.rows.length} rows, ${table.columns.length} columns: ${source.path}`);
  const { table: result, counts } = takeSteps(table, config as PreprocessConfig);
  for (const { step, rows } of counts) attempt.log(`${step}: ${rows} rows`);
  const stem = source.name ?? basename(source.path, extname(source.path));
  const name = config.output.name ?? toDatasetName(`${stem}-processed`, MAX_NAME);
  const format = config.output.format ?? formatOf(source.path, config.format);
  const parts: ReadonlyMap<string, Table> =
    config.split === undefined ? new Map([['', result]]) : splitRows(result, config.split, config.seed);
  const dir = config.output.dir ?? join(attempt.files.dir, 'datasets');
  await mkdir(dir, { recursive: true });
  const written: [string, WrittenDataset][] = [];
  for (const [part, rows] of parts) {
    const dataset = await write(rows, { dir, format, name: part === '' ? name : `${name}-${part}` });
    attempt.log(`wrote ${dataset.rows} rows: ${dataset.path}`);
    written.push([part === '' ? 'all' : part, dataset]);
  }
  record(attempt, source, table, written, config);
  return {
    rowsIn: table.rows.length,
    rowsOut: result.rows.length,
    steps: counts,
    ...(config.split === undefined ? written[0]![1] : {}),
    datasets: Object.fromEntries(written),
  };
}

const MAX_NAME = 150;

/** Only once everything is written: a failed stage records nothing. */
function record(
  { append, files }: BuiltinAttempt,
  source: Preprocessing['source'],
  table: Table,
  written: readonly [string, WrittenDataset][],
  { split, seed }: Preprocessing['config'],
): void {
  const name = toDatasetName(source.name ?? basename(source.path));
  append(files.datasets, { name, path: source.path, role: 'input', rows: table.rows.length });
  for (const [part, { path, rows, ...dataset }] of written) {
    const fraction = split?.[part];
    // So that who reads a part knows which one, and that there is more.
    const told = fraction === undefined ? {} : { split: { name: part, fraction, seed, chosenBy: 'config' } };
    append(files.datasets, { name: dataset.name, path, role: 'output', rows, ...told });
  }
}

async function readSource(
  { path, name, sha256 }: Preprocessing['source'],
  format: TableFormat,
): Promise<Table> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    throw new BuiltinFailure('dataset_missing', `there is no file ${path} on the agent's machine`);
  }
  if (found.size > PREPROCESS_LIMITS.maxBytes) {
    const message = `${path} has ${found.size} bytes; the limit is ${PREPROCESS_LIMITS.maxBytes}. Preprocess it by a job`;
    throw new BuiltinFailure('dataset_too_large', message);
  }
  const dataset = await openTable(path, format);
  const actual = sha256 === null ? null : await dataset.sha256();
  if (actual === sha256) return readTable(dataset);
  const message = `${path} is not what dataset "${name}" was recorded as: its SHA-256 is ${actual}, not ${sha256}`;
  throw new BuiltinFailure('dataset_changed', message);
}

async function write(
  table: Table,
  { dir, format, name }: { readonly dir: string; readonly format: TableFormat; readonly name: string },
): Promise<WrittenDataset> {
  const path = join(dir, `${name.replace(/[^A-Za-z0-9_.-]/g, '_')}.${format}`);
  const hash = createHash('sha256');
  const hashed = function* (): Generator<string> {
    for (const line of tableLines(table, format)) {
      hash.update(line);
      yield line;
    }
  };
  await pipeline(Readable.from(hashed()), createWriteStream(`${path}.part`));
  await rename(`${path}.part`, path);
  return { name, path, rows: table.rows.length, sha256: hash.digest('hex') };
}

function formatOf(path: string, given: TableFormat | undefined): TableFormat {
  if (given !== undefined) return given;
  const end = extname(path).slice(1).toLowerCase();
  if (end === 'csv' || end === 'json' || end === 'jsonl') return end;
  if (end === 'ndjson') return 'jsonl';
  const message = `${path} does not end in .csv, .json or .jsonl; set "format" in config`;
  throw new BuiltinFailure('invalid_config', message);
}
