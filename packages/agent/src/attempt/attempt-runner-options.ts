import type { AgentClient } from '@trainyard/client';
import type { AttemptFiles, AttemptSpec } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import type { Executor, RunningAttempt } from '../executor.ts';
import type { ReportQueue } from '../link/report-queue.ts';
import type { ServerContact } from '../link/server-contact.ts';
import type { StartGroup } from '../link/start-groups.ts';
import type { OutOfService } from '../local/out-of-service.ts';
import type { Slots } from '../slots.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { AttemptJournal } from './attempt-state.ts';
import type { JournalKeeper } from './journal-keeper.ts';

/** What an attempt needs of its agent. */
export interface AttemptRunnerOptions {
  readonly spec: AttemptSpec;
  readonly files: AttemptFiles;
  readonly journal: AttemptJournal;
  /** `undefined` when the agent has none of the name that the spec asks for. */
  readonly executor: Executor | undefined;
  /** The program that an earlier agent started. */
  readonly adopted: RunningAttempt | undefined;
  /** Those that it may be started together with. */
  readonly group: StartGroup | undefined;
  readonly slots: Slots;
  /** Which of the slots are for it. */
  readonly lane: number;
  readonly telemetry: Telemetry;
  /** GPUs of the agent in all; 0 leaves CUDA_VISIBLE_DEVICES alone. */
  readonly gpus: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly client: AgentClient;
  readonly contact: ServerContact;
  readonly reports: ReportQueue;
  readonly outOfService: OutOfService;
  /** Nothing is left of it, and it is reported. */
  readonly onGone: () => Promise<void>;
  readonly keeper: JournalKeeper;
  /** True when somebody else may have the work by now. */
  readonly isOverdue: () => boolean;
  readonly flushDeadlineMs: number;
  readonly log: AgentLog;
  /** Fires when the agent stops: everything ends, the program goes on. */
  readonly stopped: AbortSignal;
}
