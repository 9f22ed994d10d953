import { EventEmitter } from 'node:events';
import type { MetricPoint, Run, RunEvent } from '@trainyard/protocol';
import type { StoredStream } from '../ingest/stored-stream.ts';

/** What happened, after it was committed: here, or (`remote…`) on another server of the database. */
export interface LiveTopics {
  /** New events of a root run and the rows that changed with them. */
  tree: [change: { rootId: string; events: readonly RunEvent[]; runs: readonly Run[] }];
  /** New bytes of a stream of an attempt: from `offset` up to `size`. */
  stream: [change: StreamChange];
  /** New metric points of a run, by key. */
  points: [change: { runId: string; points: Readonly<Record<string, readonly MetricPoint[]>> }];
  /** Attempts were queued, or held ones got a command: claim calls look again. */
  work: [];
  /** Members of concurrency groups came, were handed out or ended, here. */
  groups: [];
  /** Facts wait for the owner of a tree. */
  inbox: [];
  /** Likewise, but they tell no more than who has claimed an attempt. */
  claimed: [];
  /** Another server stored events of a tree up to `seq`. */
  remoteTree: [change: { rootId: string; seq: number }];
  /** Another server stored bytes of a stream. */
  remoteStream: [change: StreamChange];
  /** Announcements of other servers may have been missed. */
  missed: [];
}

export interface StreamChange {
  readonly runId: string;
  readonly attemptId: string;
  readonly stream: StoredStream;
  readonly offset: number;
  readonly size: number;
}

/** Announcements. Nothing is controlled through it: who misses one finds the same in the store. */
export type LiveBus = EventEmitter<LiveTopics>;

export function createLiveBus(): LiveBus {
  const bus: LiveBus = new EventEmitter();
  // Every open page and every waiting agent listens.
  bus.setMaxListeners(0);
  return bus;
}
