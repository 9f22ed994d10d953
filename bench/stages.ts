import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAgent, localExecutor, noopExecutor } from '@trainyard/agent';
import { startServer } from '@trainyard/server';
import { recordedWorkflows } from '../tests/support/recorded-workflows.ts';
import { machineLine, median, printTable } from './report.ts';

/**
 * Finished stages per second through the whole durable path (submit, claim, report, complete) on the
 * embedded database, over HTTP, with one server and one agent in this process. `no-op` stages start no
 * process; `process` stages run `true` with supervisor, attempt directory and log. `montage` is a recorded
 * scientific workflow, where there are recordings (see tests/support/recorded-workflows.ts). `runs of N` are many
 * small runs, chains of N stages, submitted sixteen at a time on the database as it is after the others; with
 * `--small-runs` they alone are measured, on a new database.
 *
 *   node bench/stages.ts [--rounds N] [--quick] [--small-runs]
 */
const rounds = Number(process.argv[process.argv.indexOf('--rounds') + 1]) || 3;
const quick = process.argv.includes('--quick');
const onlySmallRuns = process.argv.includes('--small-runs');
/** Small runs that are submitted at the same time. */
const SUBMITTED_AT_ONCE = 16;

type Stage = Readonly<Record<string, unknown>>;

interface Row {
  readonly shape: string;
  readonly executor: string;
  readonly stages: number;
  readonly stagesPerSecond: number;
  readonly msPerStage: number;
}

const dir = mkdtempSync(join(tmpdir(), 'trainyard-bench-'));
const server = await startServer({ dataDir: dir, logLevel: 'error' });
const rows: Row[] = [];
const notes: string[] = [];
try {
  const sizes = onlySmallRuns ? [] : quick ? [100, 1000] : [100, 1000, 10_000];
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const noop = createAgent({
    url: server.url,
    token: server.agentToken,
    dataDir: join(dir, 'noop'),
    slots: 500,
    log: quiet,
    executors: { local: noopExecutor },
  });
  await noop.start();
  for (const stages of sizes) rows.push(await measure('wide', 'no-op', stages));
  for (const stages of sizes.filter((size) => size <= 1000))
    rows.push(await measure('deep', 'no-op', stages));
  for (const { name, source } of onlySmallRuns ? [] : recordedWorkflows()) {
    if (name.startsWith('montage')) rows.push(await measureStages('montage', 'no-op', stagesOf(source)));
  }
  for (const stages of [1, 3]) rows.push(await measureRuns(quick ? 500 : 5000, stages));
  await noop.drain();
  await noop.stop();
  const real = createAgent({
    url: server.url,
    token: server.agentToken,
    dataDir: join(dir, 'real'),
    slots: 8,
    log: quiet,
    executors: { local: localExecutor },
  });
  await real.start();
  if (!onlySmallRuns) {
    rows.push(await measure('wide', 'process', quick ? 50 : 1000, 1));
    rows.push(await measure('deep', 'process', quick ? 20 : 1000, 1));
  }
  await real.drain();
  await real.stop();
} finally {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
}

process.stdout.write(
  `${machineLine()}; medians of ${rounds} rounds (one round for 10,000 deep and for processes)\n`,
);
printTable(
  ['shape', 'executor', 'stages', 'stages/s', 'ms/stage'],
  rows.map((row) => [
    row.shape,
    row.executor,
    row.stages,
    row.stagesPerSecond.toFixed(0),
    row.msPerStage.toFixed(3),
  ]),
);
// Against 100 stages the fixed cost of a run shows, against 1,000 whether the cost of a stage grows.
for (const shape of ['wide', 'deep'] as const) {
  const measured = rows.filter((row) => row.shape === shape && row.executor === 'no-op');
  const largest = measured.at(-1);
  if (largest === undefined) continue;
  for (const smaller of measured.slice(0, -1)) {
    const ratio = (largest.msPerStage / smaller.msPerStage).toFixed(2);
    process.stdout.write(
      `cost per stage, ${shape}, ${largest.stages} against ${smaller.stages} stages: ${ratio}\n`,
    );
  }
}
for (const note of notes) process.stdout.write(`${note}\n`);

function measure(shape: 'wide' | 'deep', executor: string, count: number, times = rounds): Promise<Row> {
  const stages = Array.from({ length: count }, (_, index) => ({
    name: `s${index}`,
    job: { command: 'true' },
    ...(shape === 'deep' && index > 0 ? { dependsOn: [`s${index - 1}`] } : {}),
  }));
  return measureStages(shape, executor, stages, times);
}

async function measureStages(
  shape: string,
  executor: string,
  stages: readonly Stage[],
  times = rounds,
): Promise<Row> {
  const seconds: number[] = [];
  for (let round = 0; round < times; round += 1) seconds.push(await runOnce(shape, stages));
  const typical = median(seconds);
  return {
    shape,
    executor,
    stages: stages.length,
    stagesPerSecond: stages.length / typical,
    msPerStage: (typical * 1000) / stages.length,
  };
}

async function runOnce(shape: string, stages: readonly Stage[]): Promise<number> {
  const started = performance.now();
  await untilCompleted(await submit(shape, stages));
  return (performance.now() - started) / 1000;
}

async function submit(shape: string, stages: readonly Stage[]): Promise<string> {
  const definition = { name: `${shape}-${stages.length}`, maxParallel: 10_000, stages };
  return (await call<{ id: string }>('POST', '/api/v1/runs', { definition })).id;
}

async function untilCompleted(id: string): Promise<void> {
  for (;;) {
    const run = await call<{ status: string; endedAt: string | null }>('GET', `/api/v1/runs/${id}`);
    if (run.status === 'completed') return;
    if (run.endedAt !== null) throw new Error(`run ${id} is ${run.status}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Many small runs: how long they take together, and whether one takes longer the more there have been. */
async function measureRuns(count: number, perRun: number): Promise<Row> {
  const stages = chain(perRun);
  const fifth = count / 5;
  const marks: { readonly atMs: number; readonly cpuMs: number }[] = [];
  let next = 0;
  const ids: string[] = [];
  const submitAll = async () => {
    for (let at = next++; at < count; at = next++) {
      if (at % fifth === 0) marks.push({ atMs: performance.now(), cpuMs: cpuMs() });
      ids.push(await submit('small', stages));
    }
  };
  await Promise.all(Array.from({ length: SUBMITTED_AT_ONCE }, submitAll));
  // They are taken in the order of their submission.
  await untilCompleted(ids.at(-1)!);
  marks.push({ atMs: performance.now(), cpuMs: cpuMs() });
  const part = (index: number) => {
    const [from, to] = [marks[index]!, marks[index + 1]!];
    return { ms: (to.atMs - from.atMs) / fifth, cpu: (to.cpuMs - from.cpuMs) / fifth };
  };
  // The first fifth also pays for the compiler.
  const [early, late] = [part(1), part(4)];
  notes.push(
    `ms per run of ${perRun}, second and last fifth of ${count}: ${early.ms.toFixed(2)} and ${late.ms.toFixed(2)}, ` +
      `of this process's processor time ${early.cpu.toFixed(2)} and ${late.cpu.toFixed(2)}`,
  );
  const ms = marks.at(-1)!.atMs - marks[0]!.atMs;
  for (const id of ids) await untilCompleted(id);
  return {
    shape: `${count} runs of ${perRun}`,
    executor: 'no-op',
    stages: count * perRun,
    stagesPerSecond: (count * perRun * 1000) / ms,
    msPerStage: ms / (count * perRun),
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function chain(count: number): Stage[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `s${index}`,
    job: { command: 'true' },
    ...(index > 0 ? { dependsOn: [`s${index - 1}`] } : {}),
  }));
}

/** The tasks of a recorded workflow (WfFormat 1.5) as stages that do nothing. */
function stagesOf(source: string): Stage[] {
  const { workflow } = JSON.parse(source) as {
    readonly workflow: {
      readonly specification: {
        readonly tasks: readonly { readonly id: string; readonly parents: readonly string[] }[];
      };
    };
  };
  return workflow.specification.tasks.map(({ id, parents }) => ({
    name: id,
    job: { command: 'true' },
    dependsOn: [...new Set(parents)],
  }));
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(server.url + path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}
