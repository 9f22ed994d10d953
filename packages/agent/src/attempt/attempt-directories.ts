import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { type AgentClient, isServerDown } from '@trainyard/client';
import { type AttemptSpec, attemptFiles, isId } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import type { Executor } from '../executor.ts';
import { pause } from '../link/backoff.ts';
import { messageOf } from '../message-of.ts';
import type { JournalLimits } from '../stream/journal-limits.ts';
import { readAttempt } from './attempt-state.ts';

export interface AttemptDirectoriesOptions {
  /** The agent's data directory. */
  readonly dataDir: string;
  readonly limits: Pick<JournalLimits, 'attemptAgeMs' | 'attemptCount'>;
  readonly executors: ReadonlyMap<string, Executor>;
  readonly client: Pick<AgentClient, 'removable'>;
  /** Id at the server; undefined before the first registration. */
  readonly agentId: () => string | undefined;
  readonly log: AgentLog;
}

/**
 * Removes directories of attempts that have ended, here and on the host they ran on: those of deleted runs, and
 * those that are too old or too many. Only such as the server says that nobody needs them; what is not reported yet
 * is left alone.
 */
export class AttemptDirectories {
  readonly #options: AttemptDirectoriesOptions;
  /** The last one that the server was asked about without a reason of our own. */
  #cursor = '';

  constructor(options: AttemptDirectoriesOptions) {
    this.#options = options;
  }

  /** Runs until the signal fires. Never fails. */
  async run(signal: AbortSignal): Promise<void> {
    for (let waitMs = FIRST_ROUND_MS; !signal.aborted; waitMs = ROUND_MS) {
      await pause(waitMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.round(Date.now(), signal).catch((error: unknown) => {
        if (!signal.aborted && !isServerDown(error))
          this.#options.log.warn({ error: String(error) }, 'cannot look for old attempt directories');
      });
    }
  }

  /** One round of bounded work. @returns ids of the attempts that were removed */
  async round(nowMs: number, signal: AbortSignal): Promise<string[]> {
    const { dataDir, client, agentId, limits } = this.#options;
    const id = agentId();
    if (id === undefined) return [];
    const held = new Set(await readdir(`${dataDir}/held`));
    // Ids sort by the time at which they were made.
    const all = (await readdir(`${dataDir}/attempts`)).filter((name) => isId('att', name)).sort();
    const ended = all.filter((name) => !held.has(name));
    const surplus = new Set(ended.slice(0, Math.max(0, ended.length - limits.attemptCount)));
    const overdue = await this.#overdue(ended, surplus, nowMs);
    const others = this.#nextOf(ended.filter((name) => !overdue.has(name)));
    const answer = await client.removable(id, [...overdue, ...others], signal);
    const removed: string[] = [];
    for (const { attemptId, because } of answer) {
      signal.throwIfAborted();
      if (because === 'ended' && !overdue.has(attemptId)) continue;
      if (await this.#remove(attemptId)) removed.push(attemptId);
    }
    return removed;
  }

  /** Those that are too many, and the oldest of those that ended too long ago. */
  async #overdue(
    ended: readonly string[],
    surplus: ReadonlySet<string>,
    nowMs: number,
  ): Promise<ReadonlySet<string>> {
    const { dataDir, limits } = this.#options;
    const overdue = new Set<string>();
    for (const name of ended) {
      if (overdue.size === ASKED_OVERDUE) break;
      if (surplus.has(name)) {
        overdue.add(name);
        continue;
      }
      // Written last when the attempt was reported.
      const found = await stat(`${dataDir}/attempts/${name}/agent-state.json`).catch(() => undefined);
      if (found === undefined) continue;
      if (nowMs - found.mtimeMs >= limits.attemptAgeMs) overdue.add(name);
    }
    return overdue;
  }

  /** A few more at a time, round and round: their runs may have been deleted. */
  #nextOf(names: readonly string[]): string[] {
    const next = names.filter((name) => name > this.#cursor).slice(0, ASKED_OTHERS);
    this.#cursor = next.length < ASKED_OTHERS ? '' : next.at(-1)!;
    return next;
  }

  async #remove(attemptId: string): Promise<boolean> {
    const { dataDir, executors, log } = this.#options;
    const dir = `${dataDir}/attempts/${attemptId}`;
    try {
      const spec = await this.#specOf(dir);
      const files = attemptFiles(dir, spec?.runId ?? '');
      if ((await readAttempt(files))?.state.phase === 'held') return false;
      // First what is elsewhere: while this directory is there, it is tried again.
      if (spec !== undefined) await executors.get(spec.executor)?.removeFiles?.(files, spec);
      await rm(dir, { recursive: true, force: true });
      return true;
    } catch (error) {
      log.warn({ attemptId, error: messageOf(error) }, 'cannot remove an attempt directory');
      return false;
    }
  }

  async #specOf(dir: string): Promise<AttemptSpec | undefined> {
    const text = await readFile(attemptFiles(dir, '').spec, 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as AttemptSpec);
  }
}

const FIRST_ROUND_MS = 60_000;
const ROUND_MS = 10 * 60_000;
const ASKED_OVERDUE = 200;
const ASKED_OTHERS = 300;
