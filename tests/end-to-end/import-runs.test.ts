import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runTrainyard } from '../support/run-trainyard.ts';
import { track } from '../support/tensorboard-programs.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-import-'));
const at = ['--data-dir', join(dir, 'data')];
let server: TrainyardProcess;
let url: string;

beforeAll(async () => {
  server = startTrainyard(['up', '--port', '0', '--no-agent', ...at]);
  url = (await server.line(/^ready (http:\S+)$/))[1]!;
});
afterAll(async () => {
  await server.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

interface Item {
  readonly id: string;
  readonly outcome: string;
  readonly points: number;
  readonly notes: string[];
  readonly error?: string;
}

async function imported(kind: string, path: string, ...options: string[]) {
  const { code, stdout, stderr } = await runTrainyard(['import', kind, path, '--json', ...options, ...at]);
  return { code, stderr, items: (stdout === '' ? [] : JSON.parse(stdout).items) as Item[] };
}

async function api<T>(path: string): Promise<T> {
  const response = await fetch(`${url}/api/2.0/mlflow/${path}`);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

async function points(id: string) {
  const response = await fetch(`${url}/api/v1/runs/${id}/metrics`);
  return (await response.json()) as Record<string, object[]>;
}

function write(path: string, content: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), content);
}

it('brings in a directory of MLflow with all that its runs have, and only once', async () => {
  const run = 'mlruns/7/0123456789abcdef0123456789abcdef';
  write(
    'mlruns/7/meta.yaml',
    "artifact_location: file:///x\nexperiment_id: '7'\nlifecycle_stage: active\nname: digits\n",
  );
  write(
    `${run}/meta.yaml`,
    'end_time: 1700000009000\nlifecycle_stage: active\nrun_id: 0123456789abcdef0123456789abcdef\nrun_name: calm-owl\nstart_time: 1700000000000\nstatus: 4\n',
  );
  write(`${run}/params/opt/lr`, '0.1');
  write(`${run}/tags/mlflow.user`, 'ada');
  write(`${run}/tags/mlflow.runName`, 'calm-owl');
  write(`${run}/metrics/val/loss`, '1700000001000 0.5 0\n1700000002000 nan 1\n1700000003000 inf 5\nbroken\n');
  write(`${run}/artifacts/model/weights.bin`, 'weights');
  write('mlruns/7/deleted/meta.yaml', 'lifecycle_stage: deleted\nrun_id: x\n');
  const first = await imported('mlflow', join(dir, 'mlruns'));
  expect(first).toMatchObject({
    code: 0,
    items: [
      { outcome: 'imported', points: 3, files: 1, notes: ['metrics/val/loss, line 4 is no point: broken'] },
    ],
  });
  const { id } = first.items[0]!;
  const { run: stored } = await api<{ run: { info: object; data: object } }>(`runs/get?run_id=${id}`);
  expect(stored.info).toMatchObject({
    run_name: 'calm-owl',
    status: 'FAILED',
    user_id: 'ada',
    start_time: 1700000000000,
    end_time: 1700000009000,
  });
  expect(stored.data).toMatchObject({ params: [{ key: 'opt/lr', value: '0.1' }] });
  expect((await points(id))['val/loss']).toMatchObject([
    { value: 0.5, step: 0, time: 1700000001000 },
    { value: 'NaN', step: 1, time: 1700000002000 },
    { value: 'Infinity', step: 5, time: 1700000003000 },
  ]);
  const files = await fetch(`${url}/api/v1/runs/${id}/artifacts/file?path=model/weights.bin`);
  expect(await files.text()).toBe('weights');
  expect((await imported('mlflow', join(dir, 'mlruns'))).items).toMatchObject([{ id, outcome: 'present' }]);
});

it('names a run that is refused, brings in the others, and the refused one once it is mended', async () => {
  const meta = (id: string) => `lifecycle_stage: active\nrun_id: ${id}\nstart_time: 1\nstatus: 3\n`;
  write('some/1/meta.yaml', 'lifecycle_stage: active\nname: some\n');
  write('some/1/a/meta.yaml', meta('a'));
  const tooLong = join('some/1/a/params', 'p'.repeat(200), 'q'.repeat(100));
  write(tooLong, '1');
  write('some/1/a/params/text', 'x'.repeat(20_000));
  write('some/1/b/meta.yaml', meta('b'));
  write('some/1/b/metrics/loss', '5 1 1\n');
  const first = await imported('mlflow', join(dir, 'some'));
  expect(first.code).toBe(1);
  expect(first.items).toMatchObject([{ outcome: 'failed' }, { outcome: 'imported', points: 1 }]);
  expect(first.items[0]!.error).toContain('250');
  rmSync(join(dir, tooLong));
  const again = await imported('mlflow', join(dir, 'some'));
  expect(again).toMatchObject({ code: 0, items: [{ outcome: 'imported' }, { outcome: 'present' }] });
  expect(again.items[0]!.notes).toEqual(['the param text has 20000 characters, and was cut to 6000']);
  const nothing = await imported('mlflow', dir);
  expect([nothing.code, nothing.items]).toEqual([2, []]);
});

it('brings in event files of TensorBoard, up to where they are whole', async () => {
  // What has a meaning in filters, by which a run is found again.
  const logs = join(dir, "ada's \\logs");
  for (const name of ['steps', 'params'] as const) {
    await track('TypeScript', name, { directory: join(logs, name), png: '' });
  }
  const file = join(logs, 'cut', 'events.out.tfevents.1.x');
  mkdirSync(dirname(file));
  const whole = join(
    logs,
    'steps',
    readdirSync(join(logs, 'steps')).find((each) => each.includes('tfevents'))!,
  );
  writeFileSync(file, readFileSync(whole).subarray(0, -3));
  const { code, items, stderr } = await imported('tensorboard', logs, '--experiment', 'from tensorboard');
  expect(code, stderr).toBe(0);
  const [cut, params, steps] = items;
  expect(cut!.notes).toContainEqual(expect.stringMatching(/ends in the middle of record \d+/));
  expect(steps!.points).toBeGreaterThan(0);
  const { run } = await api<{ run: { data: { params?: { key: string; value: string }[] } } }>(
    `runs/get?run_id=${params!.id}`,
  );
  expect(run.data.params).toEqual(expect.arrayContaining([{ key: 'lr', value: '0.1' }]));
  expect((await points(steps!.id))['learning_rate']).toMatchObject([
    { step: 137, value: 0.5 },
    { step: 2 ** 40, value: 'Infinity' },
  ]);
  const again = await imported('tensorboard', logs, '--experiment', 'from tensorboard');
  expect(again.items.map(({ outcome }) => outcome)).toEqual(['present', 'present', 'present']);
});

it('writes out what came in, with every point as it was', async () => {
  const out = (name: string) => join(dir, name);
  const exported = (...options: string[]) =>
    runTrainyard(['export', '--experiment', 'digits', ...options, ...at]);
  const csv = await exported('--out', out('runs.csv'));
  expect(csv.code, csv.stderr).toBe(0);
  const [head, row] = readFileSync(out('runs.csv'), 'utf8').split('\n');
  expect(head).toMatch(
    /^run_id,run_name,status,start_time,end_time,params\.opt\/lr,metrics\.val\/loss,tags\./,
  );
  expect(row).toMatch(/^run_\w+,calm-owl,FAILED,1700000000000,1700000009000,0\.1,/);
  await exported('--points', '--format', 'parquet', '--out', out('points.parquet'));
  const sql = 'select key, step, time, value::varchar as value from data order by step';
  const read = await runTrainyard(['datasets', 'sql', out('points.parquet'), sql, '--json']);
  expect(JSON.parse(read.stdout).rows).toMatchObject([
    { key: 'val/loss', step: 0, time: 1700000001000, value: '0.5' },
    { step: 1, value: 'nan' },
    { step: 5, value: 'inf' },
  ]);
  await exported('--points', '--format', 'json', '--out', out('points.jsonl'));
  const lines = readFileSync(out('points.jsonl'), 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).value)).toEqual([0.5, 'NaN', 'Infinity']);
  const again = await exported('--out', out('runs.csv'));
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('exists already')]);
  expect((await exported('--filter', 'metrics.', '--out', out('x.csv'))).code).toBe(2);
  const refused = await exported('--filter', 'metrics.', '--force', '--out', out('runs.csv'));
  expect([refused.code, readFileSync(out('runs.csv'), 'utf8')]).toEqual([2, [head, row, ''].join('\n')]);
  const nowhere = await exported('--format', 'parquet', '--out', out('missing/runs.parquet'));
  expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('cannot be written')]);
  expect(readdirSync(dir).filter((name) => name.endsWith('.part'))).toEqual([]);
});
