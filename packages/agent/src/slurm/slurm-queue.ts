import type { HostLink } from '../remote/host-link.ts';
import { TransportError } from '../transport/transport.ts';
import { parseRows, ROW_FORMAT, rowThatCounts, type SlurmRow } from './slurm-rows.ts';
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
  readonly #watched = new Set<string>();
  readonly #seen = new Map<string, SlurmSighting>();
  #asking: Promise<void> | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(link: HostLink, everyMs: number) {
    this.#link = link;
    this.#everyMs = everyMs;
  }

  watch(attemptId: string): void {
    this.#watched.add(attemptId);
  }

  forget(attemptId: string): void {
    this.#watched.delete(attemptId);
    this.#seen.delete(attemptId);
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
    const names = [...this.#watched];
    const askedAtMs = performance.now();
    this.#askedAtMs = askedAtMs;
    if (names.length === 0) return;
    const result = await this.#link.once({
      script: ROWS_SCRIPT,
      args: [names.join(','), ROW_FORMAT],
      timeoutMs: ASK_LIMIT_MS,
    });
    if (result.exitCode !== 0)
      throw new TransportError('unreachable', `Slurm does not answer: ${result.stderr.trim()}`);
    const rows = parseRows(result.stdout.toString('utf8'));
    for (const name of names) {
      const row = rowThatCounts(rows.filter((each) => each.name === name));
      this.#seen.set(name, { askedAtMs, row });
    }
  }
}

/** A command of Slurm waits by itself for about 18 s when its controller is away. */
const ASK_LIMIT_MS = 30_000;
