import { statfs } from 'node:fs/promises';
import type { AgentLog } from '../agent-log.ts';
import { pause } from '../link/backoff.ts';
import { AppendGate } from '../stream/append-gate.ts';
import { type JournalLimits, waitingAllowance } from '../stream/journal-limits.ts';
import { diskFullNote } from '../stream/stream-notes.ts';
import type { StreamReporter } from '../stream/stream-reporter.ts';

type Journal = StreamReporter['journal'];

/** What a stream of a running attempt leaves to the keeper. */
export interface KeptStream {
  readonly journal: Journal;
  /** The disk is full: output of the program may be lost. */
  readonly onDiskFull: () => void;
}

/**
 * Keeps what waits for the server on the agent's disk within its limits, and tells when that disk is full.
 * What one stream keeps on disk depends on what the others do, so there is one keeper for the agent.
 */
export class JournalKeeper {
  readonly limits: JournalLimits;
  readonly gate = new AppendGate(CHUNKS_IN_MEMORY);
  readonly #dir: string;
  readonly #log: AgentLog;
  readonly #streams = new Set<KeptStream>();
  #isFull = false;

  constructor(options: { readonly dir: string; readonly limits: JournalLimits; readonly log: AgentLog }) {
    this.#dir = options.dir;
    this.limits = options.limits;
    this.#log = options.log;
  }

  /** @returns to be called when the stream is over */
  keep(stream: KeptStream): () => void {
    this.#streams.add(stream);
    return () => this.#streams.delete(stream);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(LOOK_EVERY_MS, signal).catch(() => undefined);
      await this.tick();
    }
  }

  /** One look at everything. Never rejects. */
  async tick(): Promise<void> {
    const behind = [...this.#streams].map(({ journal }) => journal).filter(isBehind);
    await Promise.all(behind.map((journal) => journal.measure()));
    const open = behind.filter((journal) => !journal.isCapped);
    const allowance = waitingAllowance(
      open.map((journal) => journal.waitingBytes),
      this.limits,
    );
    await Promise.all(behind.map((journal) => this.#shrink(journal, allowance)));
    await this.#lookAtDisk();
  }

  async #shrink(journal: Journal, allowance: number): Promise<void> {
    const limitBytes = journal.isCapped ? CAPPED_WAITING_BYTES : allowance;
    if (journal.waitingBytes <= limitBytes) return;
    // A little more, so that a program that goes on writing is not cut at every look.
    const mostBytes = Math.floor(limitBytes * 0.9);
    await journal.dropOldest(mostBytes, { kind: 'waiting_limit', limitBytes }).catch((error: unknown) => {
      this.#log.error({ error: String(error) }, 'cannot leave out bytes that wait for the server');
    });
  }

  async #lookAtDisk(): Promise<void> {
    const disk = await statfs(this.#dir).catch(() => undefined);
    const wasFull = this.#isFull;
    this.#isFull = disk !== undefined && disk.bavail * disk.bsize < LEAST_FREE_BYTES;
    if (!this.#isFull) return;
    if (!wasFull) this.#log.error({ dir: this.#dir }, 'the disk of the agent is full');
    for (const { journal, onDiskFull } of this.#streams) {
      if (!wasFull) {
        journal.addNote((atLineBegin) => diskFullNote(atLineBegin, this.#dir));
        onDiskFull();
      }
      await journal.freeAll();
    }
  }
}

/** Chunks of all streams that are read and sent at the same time, at most 2 MiB each: two are being stored while the next one is sent. */
const CHUNKS_IN_MEMORY = 3;
const LOOK_EVERY_MS = 250;
/** What stays of a log beyond its limit, until its last lines are sent. */
const CAPPED_WAITING_BYTES = 64 * 1024 * 1024;
const LEAST_FREE_BYTES = 1024 * 1024;

/** Most streams were sent to their end at the last look and need no further one. */
function isBehind(journal: Journal): boolean {
  return journal.waitingBytes > 0;
}
