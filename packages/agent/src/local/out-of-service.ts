import type { OutOfServiceSlot } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { pause } from '../link/backoff.ts';
import { messageOf } from '../message-of.ts';
import type { Reservation } from '../slots.ts';

/** What an attempt has left, and what that holds. */
export interface LeftProcesses {
  readonly attemptId: string;
  /** What is left, in words. */
  readonly reason: string;
  readonly reservation: Reservation;
  /** Ends what can be ended, and tells what is left; `undefined` when nothing is. */
  readonly look: () => Promise<string | undefined>;
  /** Nothing is left: no later agent has to look either. */
  readonly onFree: () => Promise<void>;
}

/**
 * Slots and GPUs that stay taken after the end of their job, because processes of it could not be ended: they wait in
 * the kernel, most often, and go on using memory. They are looked at until they are gone.
 */
export class OutOfService {
  readonly #log: AgentLog;
  readonly #everyMs: number;
  readonly #stopped: AbortSignal;
  readonly #slots = new Map<string, OutOfServiceSlot>();
  readonly #work = new Set<Promise<void>>();

  constructor(options: {
    readonly log: AgentLog;
    readonly everyMs: number;
    /** Fires when the agent stops: nobody looks any more, and the slots stay taken. */
    readonly stopped: AbortSignal;
  }) {
    this.#log = options.log;
    this.#everyMs = options.everyMs;
    this.#stopped = options.stopped;
  }

  /** For the server, which tells people. */
  get list(): readonly OutOfServiceSlot[] {
    return [...this.#slots.values()];
  }

  /** Takes the reservation over, until nothing is left of the attempt. */
  keep(left: LeftProcesses): void {
    const work = this.#watch(left)
      .catch(() => undefined)
      .finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#work);
  }

  async #watch({ attemptId, reason, reservation, look, onFree }: LeftProcesses): Promise<void> {
    const { gpuIds } = reservation;
    for (let left: string | undefined = reason; left !== undefined; left = await look().catch(messageOf)) {
      const isNew = this.#slots.get(attemptId)?.reason !== left;
      this.#slots.set(attemptId, { attemptId, gpuIds: [...gpuIds], reason: left.slice(0, MAX_REASON) });
      if (isNew)
        this.#log.error({ attemptId, gpuIds, left }, 'a slot is out of service: its job left processes');
      await pause(this.#everyMs, this.#stopped);
    }
    this.#slots.delete(attemptId);
    this.#log.warn({ attemptId, gpuIds }, 'a slot is in service again');
    reservation.release();
    await onFree();
  }
}

const MAX_REASON = 2000;
