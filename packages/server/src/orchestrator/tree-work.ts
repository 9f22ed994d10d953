import type { DueTimer } from './due-timer.ts';
import type { Fact } from './facts.ts';

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
}

/** Sorts timers and facts by their trees; within a tree they keep their order. */
export function workByTree(timers: readonly DueTimer[], facts: readonly InboxRow[]): TreeWork[] {
  const byTree = new Map<string, TreeWork>();
  const workOf = (rootId: string): TreeWork => {
    const work = byTree.get(rootId) ?? { rootId, timers: [], facts: [] };
    byTree.set(rootId, work);
    return work;
  };
  for (const timer of timers) workOf(timer.rootId).timers.push(timer);
  for (const fact of facts) workOf(fact.root_id).facts.push(fact);
  return [...byTree.values()];
}
