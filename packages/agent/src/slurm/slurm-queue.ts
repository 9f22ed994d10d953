import type { HostLink } from '../remote/host-link.ts';
import { TransportError } from '../transport/transport.ts';
import {
  type ArrayPlace,
  parseRows,
  ROW_FORMAT,
  rowsOf,
  rowThatCounts,
  type SlurmRow,
} from './slurm-rows.ts';
import { ROWS_SCRIPT } from './slurm-scripts.ts';

/** What Slurm has said of an attempt. */
export interface SlurmSighting {
  /** When it was asked, by the monotonic clock. */
  readonly askedAtMs: number;
  /** `undefined`: it does not know the job. */
  readonly row: SlurmRow | undefined;
}

/** Asks Slurm about all attempts of an agent in one call, and never more often than it is to be asked. */
export class SlurmQueue {
  readonly #link: HostLink;
  readonly #everyMs: number;
  /** By attempt: the tasks of arrays that may be it. */
  readonly #watched = new Map<string, readonly ArrayPlace[]>();
  readonly #seen = new Map<string, SlurmSighting>();
  #asking: Promise<void> | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(link: HostLink, everyMs: number) {
    this.#link = link;
    this.#everyMs = everyMs;
  }

  watch(attemptId: string, places: readonly ArrayPlace[] = []): void {
    this.#watched.set(attemptId, places);
  }

  forget(attemptId: string): void {
    this.#watched.delete(attemptId);
    this.#seen.delete(attemptId);
  }

  /** As it was last seen, if it was. */
  lastRow(attemptId: string): SlurmRow | undefined {
    return this.#seen.get(attemptId)?.row;
  }

  /** The last answer. Asks anew in the background when it is old: a Slurm that hangs holds nobody up. */
  sighting(attemptId: string): SlurmSighting | undefined {
    if (performance.now() - this.#askedAtMs >= this.#everyMs) this.ask().catch(() => undefined);
    return this.#seen.get(attemptId);
  }

  /** Asks now, or waits for who is asking. @throws TransportError when there is no answer */
  ask(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const watched = [...this.#watched];
    const askedAtMs = performance.now();
    this.#askedAtMs = askedAtMs;
    const names = new Set(watched.flatMap(([id, places]) => [id, ...places.map(({ array }) => array)]));
    const rows = await this.#rows([...names]);
    for (const [attemptId, places] of watched) {
      this.#seen.set(attemptId, { askedAtMs, row: rowThatCounts(rowsOf(rows, attemptId, places)) });
    }
  }

  async #rows(names: readonly string[]): Promise<SlurmRow[]> {
    const rows: SlurmRow[] = [];
    for (let from = 0; from < names.length; from += NAMES_PER_CALL) {
      const result = await this.#link.once({
        script: ROWS_SCRIPT,
        args: [names.slice(from, from + NAMES_PER_CALL).join(','), ROW_FORMAT],
        timeoutMs: ASK_LIMIT_MS,
        maxOutputBytes: MAX_ROWS_BYTES,
      });
      if (result.exitCode !== 0)
        throw new TransportError('unreachable', `Slurm does not answer: ${result.stderr.trim()}`);
      rows.push(...parseRows(result.stdout.toString('utf8')));
    }
    return rows;
  }
}

/** All of them are one argument, and Linux takes 128 KiB as one. */
const NAMES_PER_CALL = 2000;
const MAX_ROWS_BYTES = 16 * 1024 * 1024;
/** A command of Slurm waits by itself for about 18 s when its controller is away. */
const ASK_LIMIT_MS = 30_000;
