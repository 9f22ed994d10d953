import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  numbersTable,
  shardBytes,
  writeParquet,
  writeSavedDataset,
} from '../packages/datasets/src/testing/write-files.ts';

const ROWS = 1_000_000;
const READER = join(import.meta.dirname, 'support/read-dataset.mjs');
/** A million rows as objects take several times as much: who keeps them is ended for lack of memory. */
const HEAP_MB = 64;
const MAX_ROWS_MB = 300;
/** DuckDB may take 512 MB itself. */
const MAX_SQL_MB = 750;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-datasets-memory-'));
  const text = (n: number): string => `the text of row ${n}, with a comma`;
  await write('data.csv', (n) => `${n === 0 ? 'n,text,score\n' : ''}${n},"${text(n)}",${n / 7}\n`);
  await write('data.jsonl', (n) => `${JSON.stringify({ n, text: text(n), score: n / 7 })}\n`);
  await write('data.json', (n) => {
    const row = JSON.stringify({ n, text: text(n), score: n / 7 });
    return `${n === 0 ? '[' : ',\n'}${row}${n === ROWS - 1 ? ']\n' : ''}`;
  });
  await writeParquet(
    join(dir, 'data.parquet'),
    `select range as n, 'the text of row ' || range as text, range / 7 as score from range(${ROWS})`,
  );
  const tables = Array.from({ length: ROWS / 10_000 }, (_, index) => numbersTable(index * 10_000, 10_000));
  const half = tables.length / 2;
  await writeSavedDataset(join(dir, 'saved'), {
    'data-00000-of-00002.arrow': shardBytes(tables.slice(0, half)),
    'data-00001-of-00002.arrow': shardBytes(tables.slice(half)),
  });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Scenario 45: memory bounded on a million rows. */
describe.each(['data.csv', 'data.jsonl', 'data.json', 'data.parquet', 'saved'])(
  'a million rows of %s',
  (name) => {
    it.each(['rows', 'slow', 'count'])('are read in bounded memory: %s', async (what) => {
      const { result, peakMb } = await read(name, what);
      expect(result).toBe(ROWS);
      expect(peakMb).toBeLessThan(MAX_ROWS_MB);
    });

    it('are profiled in bounded memory, and give the same sum by SQL', async () => {
      const profile = await read(name, 'profile');
      expect(profile.result).toBe(ROWS);
      expect(profile.peakMb).toBeLessThan(MAX_SQL_MB);
      const { result } = await read(name, 'sql', 'select sum(n) as s, count(*) as c from data');
      expect(result).toEqual([{ s: (ROWS * (ROWS - 1)) / 2, c: ROWS }]);
    });
  },
);

async function write(name: string, line: (n: number) => string): Promise<void> {
  const file = createWriteStream(join(dir, name));
  for (let n = 0; n < ROWS; n += 1000) {
    const lines = Array.from({ length: 1000 }, (_, index) => line(n + index)).join('');
    if (!file.write(lines)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
}

async function read(name: string, ...args: readonly string[]): Promise<{ result: unknown; peakMb: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    `--max-old-space-size=${HEAP_MB}`,
    READER,
    join(dir, name),
    ...args,
  ]);
  return JSON.parse(stdout);
}
