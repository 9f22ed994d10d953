import { createRequire } from 'node:module';
import type { Dag } from '@trainyard/dag';
import { runDag, validate } from '@trainyard/dag';
import { median } from './report.ts';
import type { Shape } from './shapes.ts';
import { nodesOf } from './shapes.ts';

/**
 * One engine, one shape, one size, in a process of its own; prints one line of JSON. What is timed is everything
 * from the description in the engine's own form to the end of the run, with handlers that do nothing.
 *
 *   node --expose-gc bench/engine-round.ts ENGINE SHAPE COUNT sync|async DIRECTORY-OF-PEERS
 */
const [engine = '', shape = 'chain', countText = '1000', mode = 'sync', peers = '.'] = process.argv.slice(2);
const count = Number(countText);
const isAsync = mode === 'async';
const limits = { maxNodes: count, maxDependencies: 4 * count, maxExpandedNodes: count };
const nodes = nodesOf(shape as Shape, count);
const dag: Dag = { maxParallel: count, nodes };

/** CPU time, because on a busy machine a second of the clock warms nothing up. */
const MOST_RUNS = 2_000;
const WARM_UP_MS = 500;
const MEASURE_MS = 500;

const run = prepare();
await repeat(WARM_UP_MS);
const { wall, cpu } = await repeat(MEASURE_MS);
// The clock of a thread may count in steps of several milliseconds, so all runs are taken together.
const result = { wallMs: median(wall), cpuMs: mean(cpu), ...(engine === 'trainyard' && (await details())) };
process.stdout.write(`${JSON.stringify(result)}\n`);

async function repeat(forMs: number): Promise<{ wall: number[]; cpu: number[] }> {
  const wall: number[] = [];
  const cpu: number[] = [];
  const endAt = cpuMs() + forMs;
  do {
    const [wallBefore, cpuBefore] = [performance.now(), cpuMs()];
    await run();
    wall.push(performance.now() - wallBefore);
    cpu.push(cpuMs() - cpuBefore);
  } while (wall.length < MOST_RUNS && cpuMs() < endAt);
  return { wall, cpu };
}

function prepare(): () => Promise<unknown> {
  // They are not dependencies of this package: `engine.ts` has put them into a directory for this run.
  const peer = createRequire(`${peers}/package.json`);
  switch (engine) {
    case 'trainyard': {
      const handler = isAsync ? async () => {} : () => {};
      return async () => {
        const { status } = await runDag(dag, handler, limits);
        if (status !== 'completed') throw new Error(`the run is ${status}`);
      };
    }
    case 'p-graph': {
      const { PGraph } = peer('p-graph') as PGraphModule;
      const task = { run: isAsync ? async () => {} : () => {} };
      const tasks = new Map(nodes.map(({ name }) => [name, task]));
      const links = nodes.flatMap(({ name, dependsOn = [] }) =>
        dependsOn.map((it): [string, string] => [it, name]),
      );
      return () => new PGraph(tasks, links).run();
    }
    case 'async.auto': {
      const { auto } = peer('async') as AsyncModule;
      const done = (_: unknown, callback: () => void): void => callback();
      const first = (callback: () => void): void => callback();
      const tasks = Object.fromEntries(
        nodes.map(({ name, dependsOn = [] }) => {
          if (isAsync) return [name, [...dependsOn, async () => {}]];
          return [name, dependsOn.length > 0 ? [...dependsOn, done] : first];
        }),
      );
      return () => auto(tasks);
    }
    default:
      throw new Error(`unknown engine "${engine}"`);
  }
}

interface PGraphModule {
  readonly PGraph: new (
    tasks: ReadonlyMap<string, { readonly run: () => unknown }>,
    links: readonly [string, string][],
  ) => { readonly run: () => Promise<void> };
}

interface AsyncModule {
  readonly auto: (tasks: Readonly<Record<string, unknown>>) => Promise<unknown>;
}

interface Details {
  readonly planMs: number;
  readonly namesMs: number;
  readonly planBytes: number;
  readonly runBytes: number;
}

/** What CPU time of it the check and the plan take, and what is held half-way through. */
async function details(): Promise<Details> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const cpuBefore = cpuMs();
    validate(dag, limits);
    times.push(cpuMs() - cpuBefore);
  }
  const before = heldBytes();
  const validation = validate(dag, limits);
  const planBytes = (heldBytes() - before) / count;
  if (!validation.ok) throw new Error('the graph was refused');
  let ran = 0;
  let halfway = 0;
  const start = heldBytes();
  await runDag(
    dag,
    () => {
      ran += 1;
      if (ran === Math.floor(count / 2)) halfway = heldBytes();
    },
    limits,
  );
  return { planMs: mean(times), namesMs: namesMs(), planBytes, runBytes: (halfway - start) / count };
}

/** For comparison: what it costs alone to find every dependency in a `Map` of names, and nothing else. */
function namesMs(): number {
  const times = Array.from({ length: 5 }, () => {
    const cpuBefore = cpuMs();
    const places = new Map<string, number>();
    for (let place = 0; place < nodes.length; place++) places.set(nodes[place]!.name, place);
    let found = 0;
    for (const { dependsOn = [] } of nodes) for (const name of dependsOn) found += places.get(name) ?? 0;
    if (Number.isNaN(found)) throw new Error('a name is missing');
    return cpuMs() - cpuBefore;
  });
  return mean(times);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, it) => sum + it, 0) / values.length;
}

function heldBytes(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Of this thread only: a busy machine makes it longer too, but much less. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
