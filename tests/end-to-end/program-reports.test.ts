import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const PROGRAM = resolve(import.meta.dirname, '../support/reporting-program.py');
const STEPS = 20;
/** Knows nothing of the server: it finds changed params in a file, and answers with another. */
const WITHOUT_TOKEN = `
import json, os, time
assert "TRAINYARD_JOB_TOKEN" not in os.environ
here = os.environ["TRAINYARD_ATTEMPT_DIR"]
params = json.load(open(os.environ["TRAINYARD_PARAMS"]))
print(f"step:0 - train/lr:{params['learning_rate']:e} - train/loss:1.5E+00", flush=True)
while not os.path.exists(here + "/params-update.json"):
    time.sleep(0.02)
change = json.load(open(here + "/params-update.json"))
params["learning_rate"] = change["params"]["learning_rate"]
answer = {"revision": change["revision"], "accepted": {"learning_rate": params["learning_rate"]},
          "rejected": {"batch_size": "the loader is built"}, "step": 1}
json.dump(answer, open(here + "/params-update.ack.json.new", "w"))
os.rename(here + "/params-update.ack.json.new", here + "/params-update.ack.json")
print(f"step:1 - train/lr:{params['learning_rate']:e} - train/loss:7.5E-01", flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
`;

let dir: string;
let server: TrainyardProcess;
let port = '0';
let url = '';

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-program-'));
  port = '0';
  await startServer();
});
afterEach(async () => {
  writeFileSync(join(dir, 'go'), '');
  await server.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

async function startServer(): Promise<void> {
  server = startTrainyard(['up', '--port', port, '--data-dir', join(dir, 'data')]);
  url = (await server.line(/^ready (http:\S+)$/))[1]!;
  port = new URL(url).port;
}

const submit = async (job: object) => {
  const definition = {
    name: 'reports',
    params: { learning_rate: { type: 'number', default: 0.1 } },
    stages: [{ name: 'train', job }],
  };
  const { id } = await api(url).post<{ id: string }>('/api/v1/runs', { baseDir: dir, definition });
  const [train] = (await api(url).tree(id)).children;
  return { id, job: `/api/training/local/${train!.id}`, runId: train!.id };
};
const ended = async (id: string) => (await api(url).ended(id)).children[0]!;

it('a program with its token reports everything itself, across a kill -9 of server and agent', async () => {
  const { id, job, runId } = await submit({ command: ['python3', PROGRAM], jobToken: true });
  await until('half of the job', async () => existsSync(join(dir, 'half')));
  await server.kill('SIGKILL');
  await startServer();
  await api(url).post(`${job}/update-params`, { learning_rate: 0.01 });
  writeFileSync(join(dir, 'go'), '');
  expect(await ended(id)).toMatchObject({
    status: 'failed',
    attempt: 1,
    error: { code: 'reported_failure', message: 'the loss is too good to be true' },
  });
  const { logs } = await api(url).get<{ logs: string[] }>(`${job}/logs?limit=1000`);
  const each = Array.from({ length: STEPS }, (_, step) => step);
  expect(logs.filter((line) => line.startsWith('told'))).toEqual(each.map((step) => `told ${step}`));
  expect(logs.filter((line) => line.startsWith('printed'))).toEqual(each.map((step) => `printed ${step}`));
  expect(logs).toHaveLength(2 * STEPS);
  const { metrics } = await api(url).get<{
    metrics: { step: number; train_loss: number; learning_rate: number }[];
  }>(`${job}/metrics`);
  expect(metrics.map(({ step, train_loss: loss }) => [step, loss])).toEqual(
    each.map((step) => [step, 1 / (step + 1)]),
  );
  expect(metrics.map(({ learning_rate: rate }) => rate)).toEqual(
    each.map((step) => (step <= 10 ? 0.1 : 0.01)),
  );
  expect(await api(url).get(`${job}/predictions`)).toMatchObject({
    total: 1,
    predictions: [{ prediction: 'Ho' }],
  });
  expect(await api(url).get(`${job}/status`)).toMatchObject({
    status: 'failed',
    config: { learning_rate: 0.01 },
    param_updates: [{ state: 'answered', accepted: { learning_rate: 0.01 }, step: 10 }],
  });
  const series = await api(url).get<{ items: { key: string; count: number }[] }>(
    `/api/v1/runs/${runId}/metrics/latest`,
  );
  expect(series.items.find(({ key }) => key === 'train_loss')!.count).toBe(STEPS);
  expect(filesWith(join(dir, 'data', 'agent'), 'tyj_')).toEqual([]);
});

it('a program without one finds changed params in a file, and its printed metrics become points', async () => {
  const { id, job } = await submit({ command: ['python3', '-c', WITHOUT_TOKEN], metricsFromLog: true });
  await until('the first point', async () => (await points(job)).length === 1);
  await api(url).post(`${job}/update-params`, { learning_rate: 0.05, batch_size: 4 });
  const state = await until('the answer', async () => {
    const { param_updates: updates, config } = await api(url).get<{
      param_updates: { state: string }[];
      config: object;
    }>(`${job}/status`);
    return updates[0]!.state === 'answered' && { update: updates[0], config };
  });
  expect(state).toMatchObject({
    config: { learning_rate: 0.05 },
    update: {
      accepted: { learning_rate: 0.05 },
      rejected: { batch_size: 'the loader is built' },
      step: 1,
    },
  });
  writeFileSync(join(dir, 'go'), '');
  expect(await ended(id)).toMatchObject({ status: 'completed' });
  expect(await points(job)).toMatchObject([
    { step: 0, 'train/lr': 0.1, 'train/loss': 1.5 },
    { step: 1, 'train/lr': 0.05, 'train/loss': 0.75 },
  ]);
});

async function points(job: string): Promise<object[]> {
  return (await api(url).get<{ metrics: object[] }>(`${job}/metrics`)).metrics;
}

/** Files below a directory that hold the text. */
function filesWith(root: string, text: string): string[] {
  expect(existsSync(root)).toBe(true);
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(root, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });
}
