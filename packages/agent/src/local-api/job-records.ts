import { readdir, readFile, stat } from 'node:fs/promises';
import { attemptFiles, type LocalJobStatus } from '@trainyard/protocol';
import { readAttempt } from '../attempt/attempt-state.ts';
import { proofOf } from '../link/attempt-token.ts';
import { LineIndex } from './line-index.ts';

/** An attempt that the agent holds now. */
export interface HeldJob {
  readonly attemptId: string;
  readonly epoch: number;
  readonly runId: string;
  /** While its program runs. */
  readonly pid: number | undefined;
  /** Of the attempt; never shown. */
  readonly token: string;
  /** It has been asked to stand still. */
  readonly isPaused: boolean;
}

interface Known {
  readonly attemptId: string;
  readonly runId: string;
  readonly createdAtMs: number;
  readonly log: LineIndex;
}

/** Jobs that are listed, the newest. */
const MAX_JOBS = 1000;

/** The jobs of an agent as its data directory has them, also those of an agent before it. */
export class JobRecords {
  readonly #dir: string;
  readonly #held: () => readonly HeldJob[];
  readonly #known = new Map<string, Known>();

  constructor(dataDir: string, held: () => readonly HeldJob[]) {
    this.#dir = `${dataDir}/attempts`;
    this.#held = held;
  }

  async list(): Promise<LocalJobStatus[]> {
    await this.#look();
    const newest = [...this.#known.values()].sort((a, b) => (a.attemptId < b.attemptId ? 1 : -1));
    const found = await Promise.all(newest.slice(0, MAX_JOBS).map((known) => this.#status(known)));
    return found.filter((each) => each !== undefined);
  }

  /** Of the job's newest attempt here; `undefined` when this agent never had it. */
  async find(jobId: string): Promise<LocalJobStatus | undefined> {
    const known = await this.#newest(jobId);
    return known === undefined ? undefined : this.#status(known);
  }

  /** As above, of whoever shows a token that its attempt has had; `undefined` for anybody else. */
  async findWith(jobId: string, token: string): Promise<LocalJobStatus | undefined> {
    const known = await this.#newest(jobId);
    if (known === undefined) return undefined;
    const found = await readAttempt(attemptFiles(`${this.#dir}/${known.attemptId}`, known.runId));
    return found?.state.tokenProofs.includes(proofOf(token)) ? this.#status(known) : undefined;
  }

  async log(
    jobId: string,
    { offset, limit }: { readonly offset: number; readonly limit: number },
  ): Promise<{ lines: string[]; totalLines: number } | undefined> {
    const known = await this.#newest(jobId);
    if (known === undefined) return undefined;
    const hasEnded = (await this.#status(known))?.completed_at !== null;
    return known.log.read(offset, limit, hasEnded);
  }

  async #newest(jobId: string): Promise<Known | undefined> {
    await this.#look();
    const all = [...this.#known.values()].filter(
      ({ runId, attemptId }) => runId === jobId || attemptId === jobId,
    );
    return all.sort((a, b) => (a.attemptId < b.attemptId ? 1 : -1))[0];
  }

  /** Notes directories that are new; what is known is not read again. */
  async #look(): Promise<void> {
    const names = await readdir(this.#dir).catch(() => []);
    for (const attemptId of names) {
      if (this.#known.has(attemptId)) continue;
      const dir = `${this.#dir}/${attemptId}`;
      const found = await readAttempt(attemptFiles(dir, ''));
      if (found === undefined) continue;
      const { runId } = found.spec;
      const { mtimeMs } = await stat(attemptFiles(dir, runId).spec);
      const log = new LineIndex(attemptFiles(dir, runId).output);
      this.#known.set(attemptId, { attemptId, runId, createdAtMs: mtimeMs, log });
    }
  }

  async #status({ attemptId, runId, createdAtMs }: Known): Promise<LocalJobStatus | undefined> {
    const files = attemptFiles(`${this.#dir}/${attemptId}`, runId);
    const found = await readAttempt(files);
    if (found === undefined) return undefined;
    const { spec, state } = found;
    const held = this.#held().find((each) => each.attemptId === attemptId);
    const exit = await readExit(files.exit);
    const isOver = exit !== undefined || held === undefined;
    const status = isOver ? endStatus(exit?.exitCode, state) : heldStatus(held);
    return {
      job_id: runId,
      name: spec.stage,
      status,
      attempt_id: attemptId,
      pid: held?.pid ?? null,
      created_at: new Date(createdAtMs).toISOString(),
      started_at: state.startedAtMs === null ? null : new Date(state.startedAtMs).toISOString(),
      completed_at: exit === undefined ? null : new Date(exit.endedAt * 1000).toISOString(),
      exit_code: exit?.exitCode ?? null,
      error:
        state.startError?.message ??
        (status === 'failed' ? `exit code ${exit?.exitCode ?? 'unknown'}` : null),
    };
  }
}

function heldStatus({ pid, isPaused }: HeldJob): LocalJobStatus['status'] {
  if (pid === undefined) return 'pending';
  return isPaused ? 'paused' : 'running';
}

function endStatus(
  exitCode: number | undefined,
  state: { readonly cancelRequested: boolean },
): LocalJobStatus['status'] {
  if (state.cancelRequested) return 'cancelled';
  return exitCode === 0 ? 'completed' : 'failed';
}

async function readExit(path: string): Promise<{ exitCode: number; endedAt: number } | undefined> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    const { exitCode, endedAt } = parsed as { exitCode?: unknown; endedAt?: unknown };
    return typeof exitCode === 'number' && typeof endedAt === 'number' ? { exitCode, endedAt } : undefined;
  } catch {
    return undefined;
  }
}
