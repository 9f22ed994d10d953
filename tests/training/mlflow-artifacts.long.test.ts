import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mlflowPython } from '../support/mlflow-python.ts';
import { runProgram } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const LARGE_BYTES = 200 * 1024 * 1024;
/** What the server's memory may grow by, whatever the size of the files. */
const MAX_GROWTH_BYTES = 120 * 1024 * 1024;
const dir = mkdtempSync(join(tmpdir(), 'trainyard-mlflow-artifacts-'));
let server: TrainyardProcess;
let url: string;

beforeAll(async () => {
  mlflowPython();
  server = startTrainyard(['up', '--port', '0', '--no-agent', '--data-dir', join(dir, 'data')]);
  url = (await server.line(/^ready (http:\S+)$/))[1]!;
}, 1_200_000);
afterAll(async () => {
  await server.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

function peakBytes(pid: number): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kilobytes) * 1024;
}

it('artifacts of the real client of MLflow go there and back, large ones without being in memory', async () => {
  const before = peakBytes(server.pid);
  const program = join(import.meta.dirname, '../support/mlflow_artifacts.py');
  const { code, stdout, stderr } = await runProgram(mlflowPython(), [program, String(LARGE_BYTES)], {
    env: { MLFLOW_TRACKING_URI: url, MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: 'false', TMPDIR: dir },
    cwd: dir,
  });
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toEqual({
    uri: 'mlflow-artifacts:/1/RUN/artifacts',
    listed: {
      '': [
        ['dict.json', false, 12],
        ['in', true, null],
        ['large.bin', false, LARGE_BYTES],
        ['many', true, null],
        ['notes', true, null],
        ['one.txt', false, 3],
      ],
      many: [
        ['many/a.bin', false, 1000],
        ['many/deeper', true, null],
      ],
      'in/folder': [['in/folder/two.txt', false, 3]],
      none: [],
    },
    downloaded: [
      'dict.json',
      'in/folder/two.txt',
      'large.bin',
      'many/a.bin',
      'many/deeper/b c.bin',
      'notes/text.txt',
      'one.txt',
    ],
    same: true,
    byUri: ['a.bin', 'deeper'],
    afterDeletion: ['dict.json', 'large.bin', 'many', 'notes', 'one.txt'],
  });
  expect(peakBytes(server.pid) - before).toBeLessThan(MAX_GROWTH_BYTES);
});
