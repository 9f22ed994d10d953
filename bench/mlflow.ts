/**
 * Tracking beside MLflow's own server (SQLite, its default settings), driven by the same client in one run, and by
 * plain HTTP, where the client's own time is left out. Prints, and asserts nothing.
 *
 *   node bench/mlflow.ts --python /path/to/python-with-mlflow [--runs 2000] [--points 100000] [--calls 500]
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { machineLine, printTable } from './report.ts';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    runs: { type: 'string', default: '2000' },
    points: { type: 'string', default: '100000' },
    calls: { type: 'string', default: '500' },
  },
});

interface Driven {
  readonly results: Readonly<Record<string, number>>;
  readonly long_run: string;
  readonly history: string;
  readonly wide: string;
  readonly experiment: string;
}

/** A fifth of a second each: it imports much, once for each of its workers. */
const START_TRIES = 1500;

const directory = await mkdtemp(join(tmpdir(), 'trainyard-bench-mlflow-'));
const children: ChildProcess[] = [];
try {
  const ours = await measure(await startOurs());
  const theirs = await measure(await startMlflow());
  process.stdout.write(`${machineLine()}\n`);
  const rows = Object.entries(ours).map(([what, mine]) => {
    const other = theirs[what]!;
    const ratio = what.endsWith('ms') ? other / mine : mine / other;
    return [what, mine.toFixed(1), other.toFixed(1), `${ratio.toFixed(1)}×`];
  });
  printTable(['', 'trainyard', 'MLflow', 'ratio'], rows);
} finally {
  // Its workers are processes of their own, in the group of their parent.
  for (const { pid } of children) if (pid !== undefined) process.kill(-pid, 'SIGTERM');
  await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')));
  await rm(directory, { recursive: true, force: true });
}

async function measure(url: string): Promise<Record<string, number>> {
  const { python, runs, points, calls } = options;
  const script = join(import.meta.dirname, 'peers', 'mlflow_client.py');
  const env = { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', GIT_PYTHON_REFRESH: 'quiet' };
  const { stdout } = await promisify(execFile)(python, [script, url, runs, points, calls], {
    env,
    timeout: 800_000,
  });
  const driven = JSON.parse(stdout.trim().split('\n').at(-1)!) as Driven;
  return { ...driven.results, ...(await byHttp(url, driven)) };
}

/** The same by plain HTTP, whose client takes next to nothing. */
async function byHttp(url: string, driven: Driven): Promise<Record<string, number>> {
  const api = `${url}/api/2.0/mlflow`;
  const get = async (path: string) => (await fetch(`${api}/${path}`)).text();
  const post = async (path: string, body: object): Promise<string> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${api}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${path}: ${text}`);
    return text;
  };
  const calls = Number(options.calls);
  const run_id = driven.history;
  const log = (step: number) =>
    post('runs/log-metric', { run_id, key: 'http', value: step, timestamp: step, step });
  const batch = (from: number) =>
    post('runs/log-batch', {
      run_id,
      metrics: Array.from({ length: 1000 }, (_, i) => ({
        ...{ key: 'batch', value: 1 / (from + i + 1), timestamp: from + i, step: from + i },
      })),
    });
  const search = { experiment_ids: [driven.wide], order_by: ['metrics.m3 DESC'], max_results: 100 };
  const interval = `metrics/get-history-bulk-interval?run_ids=${driven.long_run}&metric_key=loss&max_results=320`;
  const history = `metrics/get-history?run_id=${run_id}&metric_key=loss&max_results=25000`;
  return {
    'HTTP: create_run /s': await rate(calls, 1, () =>
      post('runs/create', { experiment_id: driven.experiment }),
    ),
    'HTTP: log_metric /s': await rate(calls, 1, log),
    'HTTP: log_metric by 16 at once /s': await rate(calls * 2, 16, (i) => log(calls + i)),
    'HTTP: log_batch points/s': 1000 * (await rate(20, 1, (i) => batch(i * 1000))),
    'HTTP: history of 25,000 points ms': await best(() => get(history)),
    'HTTP: 320 of the long series ms': await best(() => get(interval)),
    'HTTP: search, first 100 by a metric ms': await best(() => post('runs/search', search)),
  };
}

/** Calls a second, with so many under way at once. */
async function rate(
  count: number,
  atOnce: number,
  call: (index: number) => Promise<unknown>,
): Promise<number> {
  const begun = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await call(next);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return (count * 1000) / (performance.now() - begun);
}

/** Milliseconds of the quickest of three. */
async function best(call: () => Promise<unknown>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const begun = performance.now();
    await call();
    least = Math.min(least, performance.now() - begun);
  }
  return least;
}

async function startOurs(): Promise<string> {
  const main = resolve(import.meta.dirname, '../packages/cli/src/main.ts');
  const args = [main, 'up', '--no-agent', '--port', '0', '--data-dir', join(directory, 'trainyard')];
  const child = start(process.execPath, args);
  for await (const chunk of child.stdout!) {
    const url = /ready (\S+)/.exec(String(chunk))?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('trainyard did not start');
}

async function startMlflow(): Promise<string> {
  const port = await freePort();
  const store = `sqlite:///${join(directory, 'mlflow.db')}`;
  const args = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port)];
  start(options.python, [...args, '--backend-store-uri', store]).stdout?.resume();
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < START_TRIES; i++) {
    const isUp = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return url;
    await wait(200);
  }
  throw new Error('the MLflow server did not start');
}

function start(command: string, args: readonly string[]): ChildProcess {
  const env = { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', GIT_PYTHON_REFRESH: 'quiet' };
  const child = spawn(command, args, {
    cwd: directory,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
