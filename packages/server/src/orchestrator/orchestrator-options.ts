import type { Logger } from 'pino';
import type { OpenCalls } from '../attempts/open-calls.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import type { AttemptReport } from './report-desk.ts';
import type { Submission } from './submission.ts';

export interface OrchestratorOptions {
  readonly database: Database;
  readonly bus: LiveBus;
  readonly log: Logger;
  /** True when no other server can use the database. */
  readonly exclusive: boolean;
  /** Calls for work that wait here; new attempts are given to them. */
  readonly openCalls?: OpenCalls;
  readonly now?: () => number;
}

/** Owns run trees and drives them: facts in, decisions of the planner out, one transaction per tick. */
export interface Orchestrator {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stores a new run and starts it. Answers once that is committed. @throws TrainyardError UNKNOWN_POOL */
  submit(submission: Submission): Promise<{ rootId: string; isNew: boolean }>;
  /**
   * Takes in what an agent reports, together with what follows for the tree. Resolves when that is committed,
   * or to false when the tree is not here or does not stand where the report begins: nothing was written then,
   * and the report has to be compared with the row of the attempt.
   */
  takeReport(report: AttemptReport): Promise<boolean>;
  /** One round: due timers, new facts and reports, one transaction. True if there may be more to do. */
  tick(): Promise<boolean>;
  readonly ownedTrees: number;
}
