import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineLine, median, printTable } from './report.ts';
import type { Shape } from './shapes.ts';
import { nodesOf, shapes } from './shapes.ts';

/**
 * Nodes per second of the in-process engine, and of others on the same graphs in the same run, with handlers
 * that do nothing. p-graph and async come from npm, Dask from pip, each into a directory that is removed again;
 * what cannot be installed is left out with a message.
 *
 *   node bench/engine.ts [--rounds N] [--quick] [--sizes 1000,100000]
 */
const rounds = Number(optionOf('--rounds')) || 3;
const sizes = sizesOf(
  optionOf('--sizes') ?? (process.argv.includes('--quick') ? '1000,10000' : '1000,10000,100000,1000000'),
);
const NPM_PEERS = ['p-graph@2.0.0', 'async@3.2.6'];
const PIP_PEER = 'dask==2026.8.0';
/** A peer that needs longer for one process of measurements is not asked for larger graphs. */
const LONGEST_MS = 120_000;

type Mode = 'sync' | 'async';
interface Round {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly planMs?: number;
  readonly namesMs?: number;
  readonly planBytes?: number;
  readonly runBytes?: number;
}
interface Engine {
  readonly name: string;
  readonly modes: readonly Mode[];
  readonly measure: (shape: Shape, count: number, mode: Mode) => Round | string;
}

const directory = mkdtempSync(join(tmpdir(), 'trainyard-engines-'));
try {
  process.stdout.write(`${machineLine()}; medians of ${rounds} rounds, each of several runs\n`);
  const engines = [nodeEngine('trainyard'), ...npmPeers(), ...pipPeer()];
  for (const mode of ['sync', 'async'] as const) {
    process.stdout.write(`\n## ${mode === 'sync' ? 'Handlers that return at once' : 'Async handlers'}\n`);
    const able = engines.filter(({ modes }) => modes.includes(mode));
    for (const shape of shapes) report(shape, mode, able);
  }
  process.stdout.write(`\n${machineLine()}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function optionOf(option: string): string | undefined {
  const at = process.argv.indexOf(option);
  return at < 0 ? undefined : process.argv[at + 1];
}

function sizesOf(list: string): number[] {
  return list.split(',').map(Number);
}

function report(shape: Shape, mode: Mode, engines: readonly Engine[]): void {
  const rows: (string | number)[][] = [];
  const gaveUp = new Map<string, string>();
  for (const size of sizes) {
    const found = new Map<string, Round>();
    for (const [name, measured] of measureAll(engines, gaveUp, shape, size, mode)) found.set(name, measured);
    const own = found.get('trainyard');
    for (const { name } of engines) {
      const round = found.get(name);
      rows.push([
        shape,
        size,
        name,
        ...(round ? cellsOf(round, size, own) : [gaveUp.get(name) ?? '', '', '', '', '', '', '']),
      ]);
    }
  }
  printTable(
    [
      'shape',
      'nodes',
      'engine',
      'nodes/s',
      'nodes/s of CPU',
      'x slower',
      'CPU of plan',
      'of names in a Map',
      'plan B/node',
      'run B/node',
    ],
    rows,
  );
  for (const line of lost(rows)) process.stdout.write(`${line}\n`);
}

/** Engines take turns, so that a busy moment of the machine meets all of them. */
function measureAll(
  engines: readonly Engine[],
  gaveUp: Map<string, string>,
  shape: Shape,
  size: number,
  mode: Mode,
): Map<string, Round> {
  const all = new Map<string, Round[]>();
  for (let round = 0; round < rounds; round++) {
    for (const { name, measure } of engines) {
      if (gaveUp.has(name)) continue;
      const measured = measure(shape, size, mode);
      if (typeof measured === 'string') gaveUp.set(name, measured);
      else all.set(name, [...(all.get(name) ?? []), measured]);
    }
  }
  const typical = [...all]
    .filter(([name]) => !gaveUp.has(name))
    .map(([name, each]) => [name, medians(each)] as const);
  return new Map(typical);
}

function medians(each: readonly Round[]): Round {
  const of = (key: keyof Round): number => median(each.map((round) => round[key] ?? Number.NaN));
  return {
    wallMs: of('wallMs'),
    cpuMs: of('cpuMs'),
    ...(each[0]?.planMs !== undefined && {
      planMs: of('planMs'),
      namesMs: of('namesMs'),
      planBytes: of('planBytes'),
      runBytes: of('runBytes'),
    }),
  };
}

function cellsOf(round: Round, size: number, own: Round | undefined): (string | number)[] {
  const rate = (ms: number): string => Math.round((size / ms) * 1_000).toLocaleString('en');
  const { wallMs, cpuMs, planMs, namesMs, planBytes, runBytes } = round;
  return [
    rate(wallMs),
    rate(cpuMs),
    own === undefined || own === round ? '' : (wallMs / own.wallMs).toFixed(2),
    planMs === undefined ? '' : `${planMs.toFixed(1)} ms`,
    namesMs === undefined ? '' : `${namesMs.toFixed(1)} ms`,
    planBytes === undefined ? '' : planBytes.toFixed(0),
    runBytes === undefined ? '' : runBytes.toFixed(0),
  ];
}

/** Rows in which another engine is faster, each with the reason. */
function lost(rows: readonly (readonly (string | number)[])[]): string[] {
  return rows
    .filter((row) => row[5] !== '' && Number(row[5]) < 1)
    .map(([shape, nodes, engine]) => `${engine} is faster for ${shape} of ${nodes}: ${WHY_FASTER}`);
}

/** What a run in Trainyard does beside calling handlers in order: the likely reason, which nobody has taken apart. */
const WHY_FASTER =
  'probably because it keeps no status, attempt, start or error of a node, checks no values and reads no clock';

function nodeEngine(name: string): Engine {
  return {
    name,
    modes: ['sync', 'async'],
    measure: (shape, count, mode) =>
      roundOf(process.execPath, [
        ...['--expose-gc', '--max-old-space-size=8000'],
        ...[join(import.meta.dirname, 'engine-round.ts'), name, shape, String(count), mode, directory],
      ]),
  };
}

function npmPeers(): Engine[] {
  writeFileSync(join(directory, 'package.json'), '{ "private": true }');
  const installed = spawnSync('npm', ['install', '--no-audit', '--no-fund', ...NPM_PEERS], {
    cwd: directory,
    encoding: 'utf8',
  });
  if (installed.status === 0) return [nodeEngine('p-graph'), nodeEngine('async.auto')];
  process.stdout.write(`left out: ${NPM_PEERS.join(', ')}; npm could not install them\n`);
  return [];
}

function pipPeer(): Engine[] {
  const python = join(directory, 'venv', 'bin', 'python');
  const isInstalled =
    spawnSync('python3', ['-m', 'venv', join(directory, 'venv')]).status === 0 &&
    spawnSync(python, ['-m', 'pip', 'install', '--quiet', PIP_PEER]).status === 0;
  if (!isInstalled) {
    process.stdout.write(`left out: ${PIP_PEER}; there is no Python with pip, or it could not install it\n`);
    return [];
  }
  const measure: Engine['measure'] = (shape, count) => {
    const nodes = nodesOf(shape, count).map(({ name, dependsOn }) => [name, dependsOn]);
    return roundOf(python, [join(import.meta.dirname, 'dask_round.py')], JSON.stringify({ nodes }));
  };
  return [{ name: 'dask threaded', modes: ['sync'], measure }];
}

/** The round, or why there is none. */
function roundOf(command: string, args: readonly string[], input = ''): Round | string {
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    input,
    encoding: 'utf8',
    timeout: LONGEST_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return JSON.parse(stdout) as Round;
  if (signal !== null) return `over ${LONGEST_MS / 1_000} s`;
  const isTooDeep = stderr.includes('call stack') || stderr.includes('RecursionError');
  return isTooDeep ? 'stack overflow' : (stderr.match(/^\w*Error.*$/m)?.[0] ?? 'failed').slice(0, 40);
}
