import { readFileSync } from 'node:fs';
import type { DagNode } from '@trainyard/dag';
import { median } from '../report.ts';
import type { Measured, PeerTask } from './peer-protocol.ts';

/** How one system runs the shapes. A shape that it cannot express is left out. */
export interface PeerRuns {
  /** Runs one stage after another; answers the instants, in milliseconds, at which their bodies began. */
  readonly chain?: (hops: number) => Promise<readonly number[]>;
  /** Runs `count` stages and one that joins them; resolves when the end is recorded. */
  readonly wide?: (count: number) => Promise<void>;
  readonly montage?: (nodes: readonly DagNode[]) => Promise<void>;
}

interface Row {
  readonly row: string;
  readonly nodes: number;
  readonly run: () => Promise<number>;
}

/** What the parent asks of this process. */
export function readTask(): PeerTask {
  return JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as PeerTask;
}

/**
 * Warms up, then measures all rows in rounds until the rounds or the time are used up; a row that would
 * not end in time, by what it cost so far, is not begun. Prints each figure as it is measured.
 */
export async function measureRounds(runs: PeerRuns, task: PeerTask): Promise<void> {
  const endAt = performance.now() + task.budgetMs;
  const hopMs = (1000 * (await secondsOf(async () => runs.chain?.(task.warmUp.hops)))) / task.warmUp.hops;
  await runs.wide?.(task.warmUp.width);
  const rows = rowsOf(runs, { ...task, hops: affordableHops(task, hopMs) });
  const costs = new Map<string, number>();
  for (let round = 0; round < task.rounds; round += 1) {
    for (const { row, nodes, run } of rows) {
      const perNode = costs.get(row) ?? costs.get(row.split(' ')[0]!) ?? 0;
      if (performance.now() + perNode * nodes > endAt) continue;
      const startedAt = performance.now();
      const value = await run();
      const cost = (performance.now() - startedAt) / nodes;
      costs.set(row, cost).set(row.split(' ')[0]!, cost);
      const measured: Measured = { row, value };
      process.stdout.write(`${JSON.stringify(measured)}\n`);
    }
  }
}

/** The figure is a median, which a shorter chain gives as well. */
function affordableHops({ hops, budgetMs, warmUp }: PeerTask, hopMs: number): number {
  return Math.max(warmUp.hops, Math.min(hops, Math.floor(budgetMs / 4 / hopMs)));
}

function rowsOf({ chain, wide, montage }: PeerRuns, task: PeerTask): Row[] {
  const rows: Row[] = [];
  if (chain !== undefined) {
    rows.push({
      row: 'chain',
      nodes: task.hops,
      run: async () => median(gaps(await chain(task.hops))),
    });
  }
  const wideRow = (count: number): Row => ({
    row: `wide ${count}`,
    nodes: count + 1,
    run: async () => (count + 1) / (await secondsOf(() => wide!(count))),
  });
  const [first, ...larger] = wide === undefined ? [] : task.widths;
  if (first !== undefined) rows.push(wideRow(first));
  if (montage !== undefined) {
    rows.push({
      row: 'montage',
      nodes: task.montage.length,
      run: async () => (1000 * (await secondsOf(() => montage(task.montage)))) / task.montage.length,
    });
  }
  rows.push(...larger.map(wideRow));
  return rows;
}

async function secondsOf(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return (performance.now() - startedAt) / 1000;
}

function gaps(instants: readonly number[]): number[] {
  return instants.slice(1).map((instant, index) => instant - instants[index]!);
}
