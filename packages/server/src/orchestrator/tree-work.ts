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
