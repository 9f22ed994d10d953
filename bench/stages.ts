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
 * scientific workflow, where there are recordings (see tests/support/recorded-workflows.ts).
 *
 *   node bench/stages.ts [--rounds N] [--quick]
 */
const rounds = Number(process.argv[process.argv.indexOf('--rounds') + 1]) || 3;
const quick = process.argv.includes('--quick');

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
try {
  const sizes = quick ? [100, 1000] : [100, 1000, 10_000];
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
  for (const { name, source } of recordedWorkflows()) {
    if (name.startsWith('montage')) rows.push(await measureStages('montage', 'no-op', stagesOf(source)));
  }
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
  rows.push(await measure('wide', 'process', quick ? 50 : 1000, 1));
  rows.push(await measure('deep', 'process', quick ? 20 : 1000, 1));
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
  const largest = measured.at(-1)!;
  for (const smaller of measured.slice(0, -1)) {
    const ratio = (largest.msPerStage / smaller.msPerStage).toFixed(2);
    process.stdout.write(
      `cost per stage, ${shape}, ${largest.stages} against ${smaller.stages} stages: ${ratio}\n`,
    );
  }
}

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
  const definition = { name: `${shape}-${stages.length}`, maxParallel: 10_000, stages };
  const started = performance.now();
  const { id } = await call<{ id: string }>('POST', '/api/v1/runs', { definition });
  for (;;) {
    const run = await call<{ status: string; endedAt: string | null }>('GET', `/api/v1/runs/${id}`);
    if (run.endedAt !== null) {
      if (run.status !== 'completed') throw new Error(`run ${id} is ${run.status}`);
      return (performance.now() - started) / 1000;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
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
