import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    if (options.force === true) await rm(out, { force: true });
    else await refuseExisting(out);
    const api = mlflowApi({ url: client.url, token });
    const experimentId = await experimentIdOf(api, options.experiment);
    const runs = await exportedRuns(api, experimentId, options.filter ?? '');
    const columns = options.points === true ? POINT_COLUMNS : runColumns(runs);
    const rows = options.points === true ? runPoints(client, runs) : runs.map(runRow);
    const written = await write(rows, columns, options);
    if (context.json) context.out(`${JSON.stringify({ file: out, runs: runs.length, rows: written })}\n`);
    else context.err(`${out}: ${written} rows of ${runs.length} runs\n`);
    return EXIT.ok;
  });
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
  const stream = createWriteStream(file, { flags: 'wx' });
  let written = 0;
  stream.write(head);
  for await (const row of rows) {
    written += 1;
    if (!stream.write(lineOf(row))) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
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

async function refuseExisting(file: string): Promise<void> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (exists) throw new TrainyardError('USAGE', `${file} exists already; name another file, or add --force.`);
}
