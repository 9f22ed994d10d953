import type { RunStatus } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ChangedStages,
  type EarlierRun,
  hasNothingLeft,
  keptStages,
  type RerunRequest,
} from './kept-stages.ts';

const unchanged: ChangedStages = { inputs: new Set(), course: new Set() };
const fromFailed: RerunRequest = { all: false, stages: [] };

/** Runs in the order of a tree; `dependsOn` after a `<`, the status after a `:`. */
function treeOf(...lines: readonly string[]): EarlierRun[] {
  const root = runOf('', 'failed', [], true);
  const isGroup = (path: string) =>
    lines.some((line) => line.startsWith(`${path}/`) || line.startsWith(`${path}[`));
  return [
    root,
    ...lines.map((line) => {
      const [, path, status, depends = ''] = /^([^:]+):(\w+)(?:<(.*))?$/.exec(line)!;
      const names = depends === '' ? [] : depends.split(',');
      return runOf(path!, status as RunStatus, names, isGroup(path!));
    }),
  ];
}

function runOf(path: string, status: RunStatus, dependsOn: string[], isGroup: boolean): EarlierRun {
  const at = Math.max(path.lastIndexOf('/'), path.endsWith(']') ? path.lastIndexOf('[') : -1);
  const parent = path === '' ? null : at < 0 ? '' : path.slice(0, at);
  const index = /\[(\d+)\]$/.exec(path)?.[1];
  return {
    id: path,
    parentId: parent,
    kind: isGroup ? 'pipeline' : 'job',
    name: path.slice(path.lastIndexOf('/') + 1),
    path,
    status,
    reason: status === 'skipped' ? 'upstream_failed' : null,
    dependsOn,
    item: index === undefined ? null : { index: Number(index), value: Number(index) },
  };
}

const kept = (runs: readonly EarlierRun[], request: Partial<RerunRequest> = {}) =>
  [...keptStages(runs, { ...fromFailed, ...request }, unchanged)].sort();

// Scenario 54 of the edge cases: re-run from failed in nested DAGs, foreach and joins.
describe('keptStages', () => {
  const nested = treeOf(
    'a:completed',
    'sweep:failed<a',
    'sweep/first:completed',
    'sweep/small:completed<first',
    'sweep/large:failed<first',
    'sweep/pick:skipped<small,large',
    'beside:stopped',
    'report:skipped<sweep,beside',
  );

  it('keeps what had ended well, inside of nested pipelines too', () => {
    expect(kept(nested)).toEqual(['a', 'beside', 'sweep/first', 'sweep/small']);
  });

  it('runs what completed behind a failure again, because its inputs may be new', () => {
    const runs = treeOf('a:completed', 'b:failed<a', 'c:completed<b', 'd:completed<c', 'e:completed<a');
    expect(kept(runs)).toEqual(['a', 'e']);
  });

  it('runs a stage again that was asked for, with what depends on it through pipelines around it', () => {
    const runs = treeOf(
      'a:completed',
      'sweep:completed<a',
      'sweep/first:completed',
      'sweep/small:completed<first',
      'sweep/other:completed',
      'report:completed<sweep',
      'beside:completed<a',
    );
    expect(kept(runs, { stages: ['sweep/first'] })).toEqual(['a', 'beside', 'sweep/other']);
    expect(kept(runs, { stages: ['sweep'] })).toEqual(['a', 'beside']);
    expect(kept(runs, { stages: ['report'] })).toEqual([
      'a',
      'beside',
      'sweep/first',
      'sweep/other',
      'sweep/small',
    ]);
    expect(kept(runs, { all: true })).toEqual([]);
  });

  it('keeps the items of a foreach that had ended well, and not what joined them', () => {
    const runs = treeOf('tune:completed', 'tune[0]:completed', 'tune[1]:failed', 'join:completed<tune');
    expect(kept(runs)).toEqual(['tune[0]']);
    expect(hasNothingLeft(runs)).toBe(false);
  });

  it('keeps everything inside of a pipeline that ran out of time, and runs what had seen that again', () => {
    const runs = treeOf('inner:timed_out', 'inner/x:completed', 'after:completed<inner');
    expect(kept(runs)).toEqual(['inner/x']);
  });

  it('runs again what is given something new, with everything inside, and keeps items of a list that has grown', () => {
    const runs = treeOf(
      'a:completed',
      'tune:completed<a',
      'tune[0]:completed',
      'tune[1]:completed',
      'join:completed<tune',
      'deep:completed',
      'deep/x:completed',
    );
    const changed = { inputs: new Set(['deep']), course: new Set(['tune']) };
    expect([...keptStages(runs, fromFailed, changed)].sort()).toEqual(['a', 'tune[0]', 'tune[1]']);
    const items = { inputs: new Set(['tune']), course: new Set<string>() };
    expect([...keptStages(runs, fromFailed, items)].sort()).toEqual(['a', 'deep/x']);
  });

  it('has nothing left only where all had ended well or were skipped for no failure', () => {
    const runs = treeOf('a:completed', 'b:skipped<a').map((run) => ({
      ...run,
      ...(run.status === 'skipped' && { reason: 'condition' }),
      ...(run.path === '' && { status: 'completed' as const }),
    }));
    expect(hasNothingLeft(runs)).toBe(true);
    expect(hasNothingLeft(nested)).toBe(false);
  });

  it('is quick on long chains and wide joins', () => {
    const chain = Array.from(
      { length: 20_000 },
      (_, at) => `s${at}:completed${at === 0 ? '' : `<s${at - 1}`}`,
    );
    const names = Array.from({ length: 5_000 }, (_, at) => `w${at}`);
    const wide = [...names.map((name) => `${name}:completed`), `join:failed<${names.join(',')}`];
    const runs = [runOf('', 'failed', [], true), ...[...chain, ...wide].map((line) => quickRun(line))];
    const startedAt = performance.now();
    expect(keptStages(runs, { all: false, stages: ['s10'] }, unchanged).size).toBe(5_010);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

function quickRun(line: string): EarlierRun {
  const [, path, status, depends] = /^(\w+):(\w+)(?:<(.*))?$/.exec(line)!;
  return runOf(path!, status as RunStatus, depends?.split(',') ?? [], false);
}

const STATUSES: readonly RunStatus[] = [
  'completed',
  'completed',
  'stopped',
  'failed',
  'cancelled',
  'skipped',
];

/** Trees two levels deep, with any statuses: more than a planner would ever leave behind. */
const anyTree = fc
  .array(
    fc.record({
      status: fc.constantFrom(...STATUSES),
      depends: fc.array(fc.nat(20), { maxLength: 3 }),
      inside: fc.array(
        fc.record({ status: fc.constantFrom(...STATUSES), depends: fc.array(fc.nat(20), { maxLength: 2 }) }),
        {
          maxLength: 4,
        },
      ),
    }),
    { minLength: 1, maxLength: 10 },
  )
  .map((stages) => {
    const runs = [runOf('', 'failed', [], true)];
    const before = (depends: readonly number[], at: number, letter: string) =>
      at === 0 ? [] : [...new Set(depends.map((each) => `${letter}${each % at}`))];
    for (const [at, { status, depends, inside }] of stages.entries()) {
      runs.push(runOf(`s${at}`, status, before(depends, at, 's'), inside.length > 0));
      for (const [inner, one] of inside.entries()) {
        runs.push(runOf(`s${at}/i${inner}`, one.status, before(one.depends, inner, 'i'), false));
      }
    }
    return runs;
  });

/** All that a run depends on: its own dependencies, those of the pipelines around it, and what is inside of these. */
function upstreamOf(runs: readonly EarlierRun[], start: EarlierRun): ReadonlySet<EarlierRun> {
  const found = new Set<EarlierRun>();
  const open: EarlierRun[] = [start];
  const addInside = (run: EarlierRun): void => {
    if (found.has(run)) return;
    found.add(run);
    open.push(run);
    for (const child of runs) if (child.parentId === run.id && child !== run) addInside(child);
  };
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { parentId, dependsOn } = next;
    for (const run of runs) if (run.parentId === parentId && dependsOn.includes(run.name)) addInside(run);
    const parent = runs.find((run) => run.id === parentId);
    if (parent !== undefined && parent.path !== '') open.push(parent);
  }
  return found;
}

describe('what any re-run keeps', () => {
  const request = fc.record({
    all: fc.constant(false),
    stages: fc.array(
      fc.nat(9).map((at) => `s${at}`),
      { maxLength: 2 },
    ),
  });

  it('has ended well, was not asked for, and so has everything that it depends on', () => {
    fc.assert(
      fc.property(anyTree, request, (runs, asked) => {
        const ids = keptStages(runs, asked, unchanged);
        for (const run of runs) {
          if (!ids.has(run.id)) continue;
          expect(['completed', 'stopped']).toContain(run.status);
          expect(asked.stages.some((path) => run.path === path || run.path.startsWith(`${path}/`))).toBe(
            false,
          );
          for (const before of upstreamOf(runs, run)) {
            if (before.kind !== 'pipeline') expect(ids.has(before.id)).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is everything that could be kept', () => {
    fc.assert(
      fc.property(anyTree, (runs) => {
        const ids = keptStages(runs, fromFailed, unchanged);
        for (const run of runs) {
          if (run.kind === 'pipeline' || ids.has(run.id)) continue;
          const isWell = run.status === 'completed' || run.status === 'stopped';
          const isDisturbed = [...upstreamOf(runs, run)].some(
            (before) => before.status !== 'completed' && before.status !== 'stopped',
          );
          expect(isWell && !isDisturbed).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is the same when asked twice, and when the re-run fails at the same places again', () => {
    fc.assert(
      fc.property(anyTree, request, (runs, asked) => {
        const first = keptStages(runs, asked, unchanged);
        expect(keptStages(runs, asked, unchanged)).toEqual(first);
        const again = keptStages(runs, fromFailed, unchanged);
        for (const id of first) expect(again.has(id)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
