import { type LiveMessage, TrainyardError } from '@trainyard/protocol';
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

/** How long after a failed read it is tried again. */
const RETRY_MS = 1000;

/**
 * Runs `step` whenever it is woken, one at a time, until a step says that it has caught up. What is read in
 * a step comes from the store by a cursor, so wake-ups may be lost or doubled without harm. A mistake of the
 * client ends it with a message; any other failure is told too, and tried again.
 */
export function createPump(options: {
  readonly topic: string;
  readonly send: Send;
  /** Reads and sends one page; answers true if there may be more. */
  readonly step: () => Promise<boolean>;
  readonly log: Logger;
}): { wake(): void; end(): void } {
  const { topic, send, log } = options;
  let isRunning = false;
  let isWanted = false;
  let isEnded = false;
  let retry: NodeJS.Timeout | undefined;

  const run = async (): Promise<void> => {
    isRunning = true;
    try {
      while (isWanted && !isEnded) {
        isWanted = false;
        let more = true;
        while (more && !isEnded) {
          if (send.isFull() && !(await send.drained())) return;
          more = await options.step();
        }
      }
    } catch (error) {
      fail(error);
    } finally {
      isRunning = false;
    }
  };
  const fail = (error: unknown): void => {
    if (error instanceof TrainyardError) {
      isEnded = true;
      send.message({ type: 'error', topic, code: error.code, message: error.message });
      return;
    }
    if (isEnded) return;
    log.warn({ err: error, topic }, 'a live subscription could not be read');
    send.message({ type: 'error', topic, code: 'INTERNAL', message: 'It could not be read; trying again.' });
    retry = setTimeout(wake, RETRY_MS);
  };
  function wake(): void {
    isWanted = true;
    if (!isRunning && !isEnded) void run();
  }
  return {
    wake,
    end() {
      isEnded = true;
      clearTimeout(retry);
    },
  };
}
