import { randomBytes } from 'node:crypto';
import { constants, createWriteStream } from 'node:fs';
import { access, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { WrittenColumn } from '@trainyard/datasets';
import { EXIT, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import {
  experimentIdOf,
  exportedRuns,
  POINT_COLUMNS,
  runColumns,
  runPoints,
  runRow,
} from '../import/exported-runs.ts';
import { mlflowApi } from '../import/mlflow-api.ts';
import { withServer } from './runs.ts';

export interface ExportOptions {
  readonly experiment: string;
  readonly filter?: string;
  readonly format: 'csv' | 'json' | 'parquet';
  readonly points?: boolean;
  readonly out: string;
  readonly force?: boolean;
}

type TextRow = Readonly<Record<string, string | null>>;

/** Writes runs, each a row with its params, tags and latest metrics; or all their points. */
export function exportCommand(context: CliContext, options: ExportOptions): Promise<number> {
  return withServer(context, async ({ client, token }) => {
    const { out } = options;
    await checkPlace(out, options.force === true);
    const api = mlflowApi({ url: client.url, token });
    const experimentId = await experimentIdOf(api, options.experiment);
    const runs = await exportedRuns(api, experimentId, options.filter ?? '');
    const columns = options.points === true ? POINT_COLUMNS : runColumns(runs);
    const rows = options.points === true ? runPoints(client, runs) : runs.map(runRow);
    const written = await writeWhole(out, (draft) => write(rows, columns, { ...options, out: draft }));
    if (context.json) context.out(`${JSON.stringify({ file: out, runs: runs.length, rows: written })}\n`);
    else context.err(`${out}: ${written} rows of ${runs.length} runs\n`);
    return EXIT.ok;
  });
}

/** A file that is there stays until the new one is whole. */
async function writeWhole(out: string, write: (draft: string) => Promise<number>): Promise<number> {
  const draft = `${out}.${randomBytes(6).toString('hex')}.part`;
  try {
    const written = await write(draft);
    await rename(draft, out);
    return written;
  } finally {
    await rm(draft, { force: true });
  }
}

async function write(
  rows: AsyncIterable<TextRow> | Iterable<TextRow>,
  columns: readonly WrittenColumn[],
  { format, out }: ExportOptions,
): Promise<number> {
  if (format === 'csv')
    return writeLines(
      out,
      rows,
      (row) => csvLine(columns.map(({ name }) => row[name] ?? '')),
      csvLine(columns.map(({ name }) => name)),
    );
  if (format === 'json') return writeLines(out, rows, (row) => jsonLine(row, columns));
  const { writeParquet } = await import('@trainyard/datasets');
  const dir = await mkdtemp(join(tmpdir(), 'trainyard-export-'));
  try {
    const lines = join(dir, 'rows.jsonl');
    const written = await writeLines(lines, rows, (row) => `${JSON.stringify(row)}\n`);
    await writeParquet(lines, columns, out);
    return written;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function writeLines(
  file: string,
  rows: AsyncIterable<TextRow> | Iterable<TextRow>,
  lineOf: (row: TextRow) => string,
  head = '',
): Promise<number> {
  let written = 0;
  async function* lines(): AsyncGenerator<string> {
    if (head !== '') yield head;
    for await (const row of rows) {
      written += 1;
      yield lineOf(row);
    }
  }
  await pipeline(lines, createWriteStream(file, { flags: 'wx' }));
  return written;
}

function csvLine(cells: readonly string[]): string {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`;
}

/** Numbers as numbers, but for those that JSON does not know. */
function jsonLine(row: TextRow, columns: readonly WrittenColumn[]): string {
  const values = columns.flatMap(({ name, type }) => {
    const text = row[name];
    if (text === undefined || text === null) return [];
    const number = Number(text);
    return [[name, type !== 'VARCHAR' && Number.isFinite(number) ? number : text] as const];
  });
  return `${JSON.stringify(Object.fromEntries(values))}\n`;
}

/** Before anything is asked of the server. @throws TrainyardError USAGE */
async function checkPlace(out: string, force: boolean): Promise<void> {
  const found = await stat(out).catch(() => undefined);
  if (found?.isDirectory()) throw new TrainyardError('USAGE', `${out} is a directory; name a file.`);
  if (found !== undefined && !force)
    throw new TrainyardError('USAGE', `${out} exists already; name another file, or add --force.`);
  await access(dirname(out), constants.W_OK).catch((error: Error) => {
    throw new TrainyardError('USAGE', `${out} cannot be written: ${error.message}`, { cause: error });
  });
}
