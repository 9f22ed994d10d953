import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { locateEmbeddedBinaries } from '../packages/server/src/store/embedded/binaries.ts';
import { startEmbeddedPostgres } from '../packages/server/src/store/embedded/index.ts';
import { type Outcome, printDurable } from './durable-report.ts';
import { montageNodes } from './montage.ts';
import {
  type Installed,
  installNpmPeers,
  installPipPeers,
  installRedis,
  versionOf,
} from './peers/installed.ts';
import { endPeers, runPeer } from './peers/peer-process.ts';
import type { PeerTask } from './peers/peer-protocol.ts';
import { startRedis } from './peers/redis.ts';
import { type Need, OURS, SYSTEMS, type System } from './peers/systems.ts';

/**
 * The durable path beside other systems, in one run: chains, fan-outs with a join, and Montage, with bodies
 * that do nothing and real commits. See README.md. Prints, asserts nothing; what cannot be installed is left
 * out with the reason.
 *
 *   node bench/durable.ts [--rounds N] [--quick] [--only SYSTEM]... [--directory DIR]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    /** Beside ours; may be given several times. */
    only: { type: 'string', multiple: true, default: SYSTEMS.map(({ name }) => name) },
    /** Where the peers are installed; kept for the next time. A temporary directory if left out. */
    directory: { type: 'string' },
  },
});
const BUDGET_MS = values.quick ? 20_000 : 55_000;
/** A peer has this long to start, and to end the row that it has begun. */
const GRACE_MS = 60_000;

const temporary = mkdtempSync(join(tmpdir(), 'trainyard-durable-'));
// PostgreSQL may run as another user, who has to pass through.
chmodSync(temporary, 0o711);
/** Of the databases that run just now. */
const stops = new Set<() => Promise<void>>();
const directory = values.directory ?? join(temporary, 'installed');
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endPeers();
    void Promise.allSettled([...stops].map((stop) => stop())).then(() => {
      removeTemporary();
      process.exit(1);
    });
  });
}
try {
  await main();
} finally {
  removeTemporary();
}

async function main(): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const chosen = SYSTEMS.filter(({ name }) => name === OURS || values.only.includes(name));
  const needed = new Set(chosen.flatMap(({ needs }) => needs));
  const installed = new Map<Need, Installed>();
  if (needed.has('npm')) installed.set('npm', installNpmPeers(directory));
  if (needed.has('pip')) installed.set('pip', installPipPeers(directory));
  if (needed.has('redis')) installed.set('redis', installRedis(directory));
  const outcomes: Outcome[] = [];
  for (const system of chosen) {
    process.stderr.write(`${system.name} …\n`);
    outcomes.push({ ...(await measure(system, installed)), system, version: versionOfSystem(system) });
  }
  printDurable(outcomes, {
    postgres: locateEmbeddedBinaries().version,
    redis: pathOf(installed.get('redis')) && versionOf('redis-server', '--version'),
    python: pathOf(installed.get('pip')) && versionOf(pathOf(installed.get('pip'))!, '--version'),
  });
}

/** Runs one system against databases that are new and its own. */
async function measure(
  system: System,
  installed: ReadonlyMap<Need, Installed>,
): Promise<Omit<Outcome, 'system' | 'version'>> {
  const load = loadavg()[0]!;
  const missing = system.needs.map((need) => installed.get(need)).find((it) => it && 'missing' in it);
  if (missing !== undefined && 'missing' in missing) {
    return { measured: [], failure: `left out: ${missing.missing}`, load, loadAfter: load };
  }
  const own = mkdtempSync(join(temporary, 'run-'));
  chmodSync(own, 0o711);
  try {
    const databases: Pick<PeerTask, 'postgres' | 'redis'> = {};
    if (system.needs.includes('postgres')) {
      const server = await startEmbeddedPostgres({ dataDir: join(own, 'postgres') });
      stops.add(() => server.stop());
      Object.assign(databases, { postgres: server.connection });
    }
    if (system.needs.includes('redis')) {
      const server = await startRedis(pathOf(installed.get('redis'))!, own);
      stops.add(server.stop);
      Object.assign(databases, { redis: server.socket });
    }
    const outcome = await runPeer(interpreterOf(system, installed), argumentsOf(system, own, databases), {
      timeoutMs: BUDGET_MS + GRACE_MS,
      directory: own,
    });
    return { ...outcome, load, loadAfter: loadavg()[0]! };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { measured: [], failure, load, loadAfter: loadavg()[0]! };
  } finally {
    for (const stop of stops) await stop();
    stops.clear();
    rmSync(own, { recursive: true, force: true });
  }
}

function argumentsOf(system: System, own: string, databases: Pick<PeerTask, 'postgres' | 'redis'>): string[] {
  const task: PeerTask = {
    rounds: Number(values.rounds),
    budgetMs: BUDGET_MS,
    warmUp: { hops: 10, width: 100 },
    hops: values.quick ? 50 : 200,
    widths: values.quick ? [1_000] : [1_000, 10_000],
    montage: montageNodes(),
    modules: directory,
    directory: own,
    ...databases,
  };
  const path = join(own, 'task.json');
  writeFileSync(path, JSON.stringify(task));
  return [join(import.meta.dirname, 'peers', system.program), path, ...system.args];
}

function interpreterOf(system: System, installed: ReadonlyMap<Need, Installed>): string {
  return system.needs.includes('pip') ? pathOf(installed.get('pip'))! : process.execPath;
}

function pathOf(installed: Installed | undefined): string | undefined {
  return installed !== undefined && 'path' in installed ? installed.path : undefined;
}

function versionOfSystem({ packageName, needs }: System): string {
  if (needs.includes('npm')) {
    const text = readFileSync(join(import.meta.dirname, 'package.json'), 'utf8');
    const { dependencies } = JSON.parse(text) as { dependencies: Readonly<Record<string, string>> };
    return dependencies[packageName] ?? '';
  }
  if (!needs.includes('pip')) return '';
  const requirements = readFileSync(join(import.meta.dirname, 'peers', 'requirements.txt'), 'utf8');
  return requirements.match(new RegExp(`^${packageName}==(.*)$`, 'm'))?.[1] ?? '';
}

function removeTemporary(): void {
  rmSync(temporary, { recursive: true, force: true });
}
