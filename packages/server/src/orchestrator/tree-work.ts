import type { DueTimer } from './due-timer.ts';
import type { Fact } from './facts.ts';
import type { WaitingReport } from './report-desk.ts';

/** A row of the inbox. */
export interface InboxRow {
  readonly id: number;
  readonly root_id: string;
  readonly event: Fact;
}

/** What one tick has to take into one tree. */
export interface TreeWork {
  readonly rootId: string;
  readonly timers: DueTimer[];
  readonly facts: InboxRow[];
  readonly reports: WaitingReport[];
}

/** Sorts what a tick takes by its trees; within a tree each keeps its order. */
export function workByTree(all: {
  readonly timers: readonly DueTimer[];
  readonly facts: readonly InboxRow[];
  readonly reports: readonly WaitingReport[];
}): TreeWork[] {
  const byTree = new Map<string, TreeWork>();
  const workOf = (rootId: string): TreeWork => {
    const work = byTree.get(rootId) ?? { rootId, timers: [], facts: [], reports: [] };
    byTree.set(rootId, work);
    return work;
  };
  for (const timer of all.timers) workOf(timer.rootId).timers.push(timer);
  for (const fact of all.facts) workOf(fact.root_id).facts.push(fact);
  for (const waiting of all.reports) workOf(waiting.report.rootId).reports.push(waiting);
  return [...byTree.values()];
}

/** One thing that a tick takes into a tree. */
export type WorkStep =
  | { readonly timer: DueTimer }
  | { readonly fact: Fact }
  | { readonly waiting: WaitingReport };

/**
 * The work of a tree in the order in which it is taken in: as it came, but a timer follows what had happened when it
 * was due. So an end in time stays one, however late it is heard of. What concerns one stage keeps its order.
 */
export function inOrderOfTime({ timers, facts, reports }: TreeWork): WorkStep[] {
  const came: { readonly node: number; readonly atMs: number; readonly step: WorkStep }[] = [
    ...facts.map(({ event }) => ({ node: event.node, atMs: event.at, step: { fact: event } })),
    ...reports.map((waiting) => ({
      node: waiting.report.node,
      atMs: Math.max(0, ...waiting.report.facts.map(({ at }) => at)),
      step: { waiting },
    })),
  ];
  if (timers.length === 0) return came.map(({ step }) => step);
  const latest = new Map<number, number>();
  const timed = came.map(({ node, atMs, step }) => {
    const notBefore = Math.max(atMs, latest.get(node) ?? 0);
    latest.set(node, notBefore);
    return { atMs: notBefore, step };
  });
  const steps = [...timed, ...timers.map((timer) => ({ atMs: timer.atMs, step: { timer } }))];
  return steps.toSorted((a, b) => a.atMs - b.atMs).map(({ step }) => step);
}
