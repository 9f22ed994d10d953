import type { Logger } from 'pino';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import type { Submission } from './submission.ts';

export interface OrchestratorOptions {
  readonly database: Database;
  readonly bus: LiveBus;
  readonly log: Logger;
  /** True when no other server can use the database. */
  readonly exclusive: boolean;
  readonly now?: () => number;
}

/** Owns run trees and drives them: facts in, decisions of the planner out, one transaction per tick. */
export interface Orchestrator {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stores a new run and starts it. Answers once that is committed. @throws TrainyardError UNKNOWN_POOL */
  submit(submission: Submission): Promise<{ rootId: string; isNew: boolean }>;
  /** One round: due timers, new facts, one transaction. True if there may be more to do. */
  tick(): Promise<boolean>;
  readonly ownedTrees: number;
}
