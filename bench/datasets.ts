import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeParquet } from '../packages/datasets/src/testing/write-files.ts';

/**
 * Rows per second and peak memory of reading datasets, each in a process of its own, beside Python libraries
 * (`--python` names an interpreter that has pandas, pyarrow and duckdb; without it only ours are measured).
 *
 *   node bench/datasets.ts [--rows N] [--python PATH] [--big GB] [--quick]
 *
 * `--big` also reads a CSV file of so many gigabytes, once.
 */
const args = process.argv.slice(2);
const option = (name: string): string | undefined => args[args.indexOf(name) + 1 || args.length];
const rows = Number(option('--rows') ?? (args.includes('--quick') ? 100_000 : 1_000_000));
const python = option('--python');
const big = Number(option('--big') ?? 0);
const LIBRARIES = ['pandas', 'pyarrow', 'duckdb'] as const;

interface Measured {
  readonly result: unknown;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMb: number;
}

const dir = await mkdtemp(join(tmpdir(), 'trainyard-bench-datasets-'));
try {
  await writeFiles();
  for (const name of ['data.csv', 'data.jsonl', 'data.parquet']) {
    const path = join(dir, name);
    const { size } = await stat(path);
    say(`\n${name}: ${rows} rows, ${(size / 1e6).toFixed(0)} MB`);
    report('every row as an object', 'trainyard', ours(path, 'rows'));
    for (const library of python === undefined ? [] : LIBRARIES) {
      report('every row as an object', library, theirs(library, path, 'rows'));
    }
    report('sum of a column', 'trainyard', ours(path, 'sql', 'select sum(n) from data'));
    for (const library of python === undefined ? [] : LIBRARIES) {
      report('sum of a column', library, theirs(library, path, 'sum'));
    }
    report('profile', 'trainyard', ours(path, 'profile'));
  }
  if (big > 0) await readBig();
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function readBig(): Promise<void> {
  const path = join(dir, 'big.csv');
  const line = (n: number): string => csvLine(n);
  const perBlock = 10_000;
  const blockBytes = Buffer.byteLength(Array.from({ length: perBlock }, (_, n) => line(n)).join(''));
  const count = Math.ceil((big * 1e9) / blockBytes) * perBlock;
  await write(path, count, line);
  say(`\nbig.csv: ${count} rows, ${((await stat(path)).size / 1e9).toFixed(1)} GB`);
  const measured = ours(path, 'rows');
  say(
    `  every row as an object    ${(count / measured.seconds / 1e6).toFixed(2)} M rows/s, ${measured.seconds.toFixed(0)} s, peak ${measured.peakMb.toFixed(0)} MB`,
  );
}

async function writeFiles(): Promise<void> {
  await write(join(dir, 'data.csv'), rows, csvLine);
  await write(
    join(dir, 'data.jsonl'),
    rows,
    (n) => `${JSON.stringify({ n, text: textOf(n), score: n / 7 })}\n`,
  );
  await writeParquet(
    join(dir, 'data.parquet'),
    `select range as n, 'the text of row ' || range || ', with more of it' as text, range / 7 as score from range(${rows})`,
  );
}

function csvLine(n: number): string {
  return `${n === 0 ? 'n,text,score\n' : ''}${n},${textOf(n)},${n / 7}\n`;
}

function textOf(n: number): string {
  return `the text of row ${n} with more of it`;
}

async function write(path: string, count: number, line: (n: number) => string): Promise<void> {
  const file = createWriteStream(path);
  for (let from = 0; from < count; from += 10_000) {
    const length = Math.min(10_000, count - from);
    const lines = Array.from({ length }, (_, index) => line(from + index)).join('');
    if (!file.write(lines)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
}

function ours(...call: readonly string[]): Measured {
  const reader = join(import.meta.dirname, '../tests/support/read-dataset.mjs');
  return JSON.parse(execFileSync(process.execPath, [reader, ...call], { encoding: 'utf8' }));
}

function theirs(...call: readonly string[]): Measured {
  const peer = join(import.meta.dirname, 'peers/datasets_peer.py');
  return JSON.parse(execFileSync(python!, [peer, ...call], { encoding: 'utf8' }));
}

function report(what: string, who: string, { seconds, cpuSeconds, peakMb }: Measured): void {
  const rate = (rows / seconds / 1e6).toFixed(2);
  say(
    `  ${what.padEnd(24)} ${who.padEnd(10)} ${rate.padStart(6)} M rows/s  ${seconds.toFixed(2)} s  cpu ${cpuSeconds.toFixed(2)} s  peak ${peakMb.toFixed(0)} MB`,
  );
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
