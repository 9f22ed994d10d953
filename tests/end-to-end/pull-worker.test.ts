import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const WORKER = resolve(import.meta.dirname, '../support/pull-worker.py');
const STEPS = 40;
/** Says what it does by lines, and waits in the middle until the test lets it go on. */
const TRAIN = `
import json, os, sys, time
config = json.loads(os.environ["CONFIG"])
for step in range(config["steps"]):
    if step == config["steps"] // 2:
        open("half", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.02)
    print(f"step {step}", flush=True)
    print("METRIC " + json.dumps({"step": step, "epoch": step // 10, "train_loss": 1 / (step + 1)}), flush=True)
print("to stderr", file=sys.stderr, flush=True)
`;

let dir: string;
let server: TrainyardProcess;
let worker: ChildProcess | undefined;
let port = '0';
let url = '';

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-pull-'));
  port = '0';
  await startServer();
});
afterEach(async () => {
  worker?.kill('SIGKILL');
  await server.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

async function startServer(): Promise<void> {
  server = startTrainyard(['up', '--no-agent', '--port', port, '--data-dir', join(dir, 'data')]);
  url = (await server.line(/^ready (http:\S+)$/))[1]!;
  port = new URL(url).port;
}

function startWorker(jobs: number): Promise<unknown[]> {
  const env = { PATH: process.env['PATH'], BACKEND_URL: url, AGENT_ID: 'agent_python' };
  worker = spawn('python3', [WORKER, String(jobs)], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  return once(worker, 'exit');
}

const submit = async (stages: object[]) =>
  (
    await api(url).post<{ id: string }>('/api/v1/runs', {
      baseDir: dir,
      definition: { name: 'pulled', params: { steps: { type: 'integer', default: STEPS } }, stages },
    })
  ).id;

it('an independent worker runs jobs for real, across a kill -9 of the server in their middle', async () => {
  writeFileSync(join(dir, 'train.py'), TRAIN);
  const root = await submit([
    { name: 'train', job: { command: ['python3', 'train.py'] } },
    { name: 'fails', dependsOn: ['train'], job: { command: 'echo sorry; exit 3' } },
  ]);
  const exited = startWorker(2);
  await until('half of the job', async () => existsSync(join(dir, 'half')));
  await server.kill('SIGKILL');
  writeFileSync(join(dir, 'go'), '');
  await startServer();
  const tree = await api(url).ended(root);
  expect((await exited)[0]).toBe(0);
  const [train, fails] = tree.children;
  expect(train).toMatchObject({ status: 'completed', attempt: 1 });
  expect(fails).toMatchObject({ status: 'failed', error: { message: 'exit code 3' } });
  const logs = await api(url).get<{ logs: string[] }>(`/api/training/local/${train!.id}/logs?limit=1000`);
  const lines = Array.from({ length: STEPS }, (_, step) => `step ${step}`);
  expect(logs.logs).toEqual([...lines, 'to stderr', 'the worker is done']);
  const { metrics } = await api(url).get<{ metrics: { step: number; train_loss: number }[] }>(
    `/api/training/local/${train!.id}/metrics`,
  );
  expect(metrics.map(({ step, train_loss: loss }) => [step, loss])).toEqual(
    lines.map((_, step) => [step, 1 / (step + 1)]),
  );
  const series = await api(url).get<{ items: { key: string; count: number }[] }>(
    `/api/v1/runs/${train!.id}/metrics/latest`,
  );
  expect(series.items.find(({ key }) => key === 'train_loss')!.count).toBe(STEPS);
});

it('a job is cancelled while its worker runs it', async () => {
  const root = await submit([{ name: 'endless', job: { command: ['sleep', '600'] } }]);
  const exited = startWorker(1);
  await until('the start', async () => (await api(url).tree(root)).children[0]!.status === 'running');
  await api(url).post(`/api/v1/runs/${root}/cancel`, {});
  const tree = await api(url).ended(root);
  expect(tree.status).toBe('cancelled');
  expect((await exited)[0]).toBe(0);
});
