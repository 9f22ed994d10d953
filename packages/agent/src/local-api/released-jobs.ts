import { type ReleasedJob, TrainyardError } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { messageOf } from '../message-of.ts';
import { ApiError } from './api-error.ts';

export type JobAfter = Pick<ReleasedJob, 'status' | 'endedAt'>;

/** What the server says of attempts. @throws TrainyardError when it is away */
export type AskReleased = (
  attemptIds: readonly string[],
  signal: AbortSignal,
) => Promise<readonly ReleasedJob[]>;

/**
 * What has become of jobs whose attempts here gave their slots back: they are paused, or go on elsewhere, or are over.
 * Only the server knows. While it is away, what it said last counts.
 */
export class ReleasedJobs {
  readonly #ask: AskReleased;
  readonly #stopped: AbortSignal;
  readonly #log: AgentLog;
  readonly #known = new Map<string, JobAfter>();

  constructor(options: {
    readonly ask: AskReleased;
    readonly stopped: AbortSignal;
    readonly log: AgentLog;
  }) {
    this.#ask = options.ask;
    this.#stopped = options.stopped;
    this.#log = options.log;
  }

  /** By attempt; of those that nothing was ever said of there is nothing. Never fails. */
  async look(attemptIds: readonly string[]): Promise<ReadonlyMap<string, JobAfter>> {
    const open = attemptIds.filter((id) => this.#known.get(id)?.endedAt == null);
    if (open.length > 0) await this.#update(open);
    return this.#known;
  }

  async #update(attemptIds: readonly string[]): Promise<void> {
    try {
      const signal = AbortSignal.any([this.#stopped, AbortSignal.timeout(PATIENCE_MS)]);
      const said = new Map((await this.#ask(attemptIds, signal)).map((job) => [job.attemptId, job]));
      for (const id of attemptIds) {
        const { status, endedAt } = said.get(id) ?? DELETED;
        this.#known.set(id, { status, endedAt });
      }
    } catch (error) {
      this.#log.debug({ error: messageOf(error) }, 'the server does not say what has become of paused jobs');
    }
  }
}

/** A call that steers such a job, its refusal in the form of the own routes. @throws ApiError */
export async function steered(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof TrainyardError)) throw error;
    const { code, httpStatus, message } = error;
    if (code === 'SERVER_UNREACHABLE') throw new ApiError(503, 'BACKEND_UNREACHABLE', message);
    throw new ApiError(httpStatus, code === 'CONFLICT' ? 'INVALID_STATUS' : code, message);
  }
}

/** Who asks for a status is not to wait for a server that is away. */
const PATIENCE_MS = 2000;
/** Its run is not there any more. */
const DELETED: JobAfter = { status: 'cancelled', endedAt: null };
