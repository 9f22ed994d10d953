import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectLive, createClient } from '@trainyard/client';
import type { RunTree } from '@trainyard/protocol';
import { type RunningServer, startServer } from '@trainyard/server';
import { startTrainyard, type TrainyardProcess } from '../tests/support/trainyard-process.ts';
import { logLines } from './log-lines.ts';
import { memoryOf, memoryText, watchMemory } from './process-memory.ts';
import { machineLine } from './report.ts';

/**
 * From the files of jobs to the database and the page, through a real server (in this process, embedded
 * database) and a real agent (a process of its own): how long a metrics line takes from file to WebSocket
 * while 100 jobs run, how quickly a claimed job starts, how much output per second is stored and what memory
 * the agent takes for it, and whether all arrives after the server was away.
 *
 *   node bench/streams.ts [--jobs N] [--seconds N] [--megabytes N] [--outage SECONDS]
 */
const option = (name: string, usual: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : Number(process.argv[at + 1]);
};
const jobs = option('jobs', 100);
const seconds = option('seconds', 20);
const megabytes = option('megabytes', 1000);
const outage = option('outage', 0);

const dir = mkdtempSync(join(tmpdir(), 'trainyard-bench-'));
const serverOptions = { dataDir: join(dir, 'data'), logLevel: 'error' as const };
let server: RunningServer = await startServer(serverOptions);
let agent: TrainyardProcess | undefined;
/** Prints a figure when it is known, so that what was measured is not lost when a later part fails. */
function tell(figures: Readonly<Record<string, string>>): void {
  console.log(
    Object.entries(figures)
      .map(([name, text]) => (name === 'what' ? `${text}:` : `${name} ${text}`))
      .join(' '),
  );
}
try {
  agent = startTrainyard([
    'agent',
    ...['--url', server.url, '--slots', String(jobs + 2), '--data-dir', join(dir, 'agent')],
  ]);
  await agent.line(/^ready /);
  tell({ what: 'agent that has nothing to do', memory: memoryText(memoryOf(agent.pid)) });
  await measureStart();
  await measureLatency();
  for (const writers of [1, 8]) await measureOutput(writers);
  if (outage > 0) await measureOutage();
  console.log(machineLine());
} finally {
  await agent?.kill('SIGTERM');
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
}

/** Jobs one after the other: from the claim to the process. */
async function measureStart(): Promise<void> {
  const stages = Array.from({ length: 40 }, (_, at) => ({ name: `s${at}`, job: { command: ['true'] } }));
  await ended(await submit({ name: 'start', maxParallel: 1, stages }));
  const { rows: found } = await server.database.pool.query<{ ms: number }>(
    `select extract(epoch from started_at - claimed_at)::float8 * 1000 as ms from attempts where started_at is not null`,
  );
  const times = found.map(({ ms }) => ms);
  tell({ what: 'claim to start', p50: `${quantile(times, 0.5)} ms`, p99: `${quantile(times, 0.99)} ms` });
}

/** Each job's metrics file grows by a line a second. The line's value is the time at which it was written. */
async function measureLatency(): Promise<void> {
  const items = Array.from({ length: jobs }, (_, at) => at);
  const each = { foreach: { item: 'x', in: items, maxParallel: jobs }, job: { command: ['sleep', '3600'] } };
  const id = await submit({ name: 'latency', maxParallel: jobs, stages: [{ name: 'each', ...each }] });
  const running = await until(async () => {
    const found = leaves(await client().getTree(id)).filter((run) => run.status === 'running');
    return found.length === jobs ? found : undefined;
  });
  const live = connectLive({ url: server.url });
  const latencies: number[] = [];
  for (const { id: runId } of running) {
    live.subscribe({ op: 'subscribe_metrics', runId }, (message) => {
      if (message.type !== 'points') return;
      for (const { value } of message.points['t'] ?? []) latencies.push(performance.now() - Number(value));
    });
  }
  await delay(1000);
  const files = metricsFilesOf(running.map((run) => run.id));
  const cpu = process.cpuUsage();
  for (let step = 0; step < seconds * jobs; step += 1) {
    const line = `{"step":${Math.floor(step / jobs)},"t":${performance.now()}}\n`;
    appendFileSync(files[step % jobs]!, line);
    await delay(1000 / jobs);
  }
  await delay(1000);
  const { user, system } = process.cpuUsage(cpu);
  live.close();
  tell({
    what: `file to WebSocket, ${jobs} jobs, ${latencies.length} of ${seconds * jobs} lines`,
    p50: `${quantile(latencies, 0.5)} ms`,
    p99: `${quantile(latencies, 0.99)} ms`,
    server: `${Math.round((user + system) / (seconds * 1e4))} % of a core`,
    agent: memoryText(memoryOf(agent!.pid)),
  });
  await client().cancelRun(id);
  await ended(id);
}

/** Jobs that write as fast as they can. */
async function measureOutput(writers: number): Promise<void> {
  const block = join(dir, 'block');
  writeFileSync(block, logLines(4_000_000));
  const write = `for i in $(seq ${Math.ceil(megabytes / 4 / writers)}); do cat ${block}; done`;
  const command = `s=$(date +%s%N); ${write}; e=$(date +%s%N); echo; echo WROTE $(( (e - s) / 1000000 ))`;
  const stages = Array.from({ length: writers }, (_, at) => ({ name: `noisy${at}`, job: { command } }));
  const watch = watchMemory(agent!.pid);
  const before = cpuSeconds(agent!.pid);
  const cpu = process.cpuUsage();
  const id = await submit({ name: 'output', stages });
  const startedAt = performance.now();
  const found = leaves(await ended(id));
  const took = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  let size = 0;
  let wrote = 0;
  for (const { id: runId } of found) {
    const end = await client().readLog(runId, { offset: -100 });
    size += end.size;
    wrote = Math.max(wrote, Number(/WROTE (\d+)/.exec(Buffer.from(end.bytes).toString())?.[1]) / 1000);
  }
  const perMegabyte = (ofCpu: number) => `${((1e3 * ofCpu) / (size / 1e6)).toFixed(1)} ms of CPU a MB`;
  tell({
    what: `${Math.round(size / 1e6)} MB of output of ${writers} in ${wrote.toFixed(1)} s (${Math.round(size / 1e6 / wrote)} MB/s)`,
    stored: `${Math.round(size / took / 1e6)} MB/s`,
    server: perMegabyte((user + system) / 1e6),
    agent: `${perMegabyte(cpuSeconds(agent!.pid) - before)}, ${memoryText(watch.stop())} at most`,
  });
}

/** Of a process, in user and in kernel mode. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Log and metrics at full rate, the server away in the middle. */
async function measureOutage(): Promise<void> {
  const program = `
    const { appendFileSync } = require('fs'); const { TRAINYARD_RUN_ID: run, PLATFORM_METRICS_DIR: dir } = process.env;
    let n = 0; const end = Date.now() + ${(outage + 10) * 1000};
    setInterval(() => {
      if (Date.now() > end) { console.log('total ' + n); process.exit(0); }
      let log = '', metrics = '';
      for (let i = 0; i < 1000; i++, n++) { log += 'line ' + n + ' of the log\\n'; metrics += '{"step":' + n + ',"loss":' + n + '}\\n'; }
      process.stdout.write(log); appendFileSync(dir + '/' + run + '_metrics.jsonl', metrics);
    }, 20);`;
  const stages = ['a', 'b'].map((name) => ({ name, job: { command: ['node', '-e', program] } }));
  const id = await submit({ name: 'outage', stages });
  await delay(5000);
  const port = Number(new URL(server.url).port);
  await server.stop();
  await delay(outage * 1000);
  server = await startServer({ ...serverOptions, port });
  const backAt = performance.now();
  const tree = await ended(id);
  const took = ((performance.now() - backAt) / 1000).toFixed(1);
  for (const job of leaves(tree)) {
    const pieces: Uint8Array[] = [];
    for await (const piece of client().exportLog(job.id, { format: 'raw' })) pieces.push(piece);
    const lines = Buffer.concat(pieces).toString().trimEnd().split('\n');
    const total = Number(/total (\d+)/.exec(lines.pop()!)![1]);
    const inOrder = lines.every((line, at) => line === `line ${at} of the log`);
    const points = (await client().getLatestMetrics(job.id)).find(({ key }) => key === 'loss');
    const isWhole = inOrder && lines.length === total && points?.count === total && points.step === total - 1;
    tell({
      what: `server away for ${outage} s: ${total} lines and points, ${isWhole ? 'all there, in order' : 'NOT ALL THERE'}`,
      stored: `${took} s after it came back`,
    });
  }
}

function client() {
  return createClient({ url: server.url });
}

async function submit(definition: Record<string, unknown>): Promise<string> {
  return (await client().submitRun({ definition, baseDir: dir })).id;
}

function ended(id: string): Promise<RunTree> {
  return until(async () => {
    const tree = await client().getTree(id);
    return tree.endedAt === null ? undefined : tree;
  });
}

async function until<T>(read: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await read();
    if (found !== undefined) return found;
    await delay(50);
  }
}

function leaves(tree: RunTree): RunTree[] {
  return tree.kind === 'job' ? [tree] : tree.children.flatMap(leaves);
}

/** Where the agent has the attempts is its own business; a benchmark may look. */
function metricsFilesOf(runIds: readonly string[]): string[] {
  const wanted = new Map(runIds.map((id, at) => [id, at]));
  const files: string[] = [];
  const attempts = join(dir, 'agent', 'agent-alone', 'attempts');
  for (const name of readdirSync(attempts)) {
    const { runId } = JSON.parse(readFileSync(join(attempts, name, 'spec.json'), 'utf8')) as {
      runId: string;
    };
    const at = wanted.get(runId);
    if (at !== undefined) files[at] = join(attempts, name, 'metrics', `${runId}_metrics.jsonl`);
  }
  return files;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length * share)] ?? Number.NaN);
}
