import type { LiveMessage } from '@trainyard/protocol';
import type { Logger } from 'pino';
import type { Database } from '../store/database.ts';
import type { RunReads } from '../store/run-reads.ts';
import type { RunStore } from '../store/runs.ts';
import type { LiveBus } from './live-bus.ts';

export interface LiveSources {
  readonly bus: LiveBus;
  readonly database: Database;
  readonly runs: RunStore;
  readonly reads: RunReads;
  readonly log: Logger;
}

/** The way to one socket. */
export interface Send {
  message(message: LiveMessage): void;
  /** True while more bytes wait than a slow reader may keep. */
  isFull(): boolean;
  /** Resolves when there is room again; false when the socket is closed. */
  drained(): Promise<boolean>;
}

export interface Subscription {
  end(): void;
}

/**
 * Runs `step` whenever it is woken, one at a time, until a step says that it has caught up. What is read in
 * a step comes from the store by a cursor, so wake-ups may be lost or doubled without harm.
 */
export function createPump(options: {
  readonly send: Send;
  /** Reads and sends one page; answers true if there may be more. */
  readonly step: () => Promise<boolean>;
  readonly onError: (error: unknown) => void;
}): { wake(): void; end(): void } {
  let isRunning = false;
  let isWanted = false;
  let isEnded = false;
  const run = async (): Promise<void> => {
    isRunning = true;
    try {
      while (isWanted && !isEnded) {
        isWanted = false;
        let more = true;
        while (more && !isEnded) {
          if (options.send.isFull() && !(await options.send.drained())) return;
          more = await options.step();
        }
      }
    } catch (error) {
      options.onError(error);
    } finally {
      isRunning = false;
    }
  };
  return {
    wake() {
      isWanted = true;
      if (!isRunning && !isEnded) void run();
    },
    end() {
      isEnded = true;
    },
  };
}
