import { EventEmitter } from 'node:events';
import type { MetricPoint, Run, RunEvent } from '@trainyard/protocol';

/** What happened, after it was committed. */
export interface LiveTopics {
  /** New events of a root run and the rows that changed with them. */
  tree: [change: { rootId: string; events: readonly RunEvent[]; runs: readonly Run[] }];
  /** New bytes of a stream of an attempt. */
  stream: [change: { runId: string; attemptId: string; stream: 'log' | 'metrics'; size: number }];
  /** New metric points of a run, by key. */
  points: [change: { runId: string; points: Readonly<Record<string, readonly MetricPoint[]>> }];
  /** Attempts were queued, or held ones got a command: claim calls look again. */
  work: [];
  /** Facts wait for the owner of a tree. */
  inbox: [];
}

/** In-process announcements. Nothing is controlled through it: who misses one finds the same in the store. */
export type LiveBus = EventEmitter<LiveTopics>;

export function createLiveBus(): LiveBus {
  const bus: LiveBus = new EventEmitter();
  // Every open page and every waiting agent listens.
  bus.setMaxListeners(0);
  return bus;
}
