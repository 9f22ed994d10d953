import { readdir, readFile, stat } from 'node:fs/promises';
import { type AttemptSpec, attemptFiles, type LocalJobStatus } from '@trainyard/protocol';
import { type AttemptState, isToEnd, readAttempt } from '../attempt/attempt-state.ts';
import { hasGivenBack } from '../attempt/finish-report.ts';
import { readControlAnswer } from '../control-files.ts';
import { proofOf } from '../link/attempt-token.ts';
import { LineIndex } from './line-index.ts';
import type { JobAfter, ReleasedJobs } from './released-jobs.ts';

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

/** A job with what is needed to ask for something in its name. */
export interface FoundJob {
  readonly status: LocalJobStatus;
  /** Its attempt here has given its slot back for a pause: what becomes of the job is decided at the server. */
  readonly isGivenBack: boolean;
  /** While the agent holds that attempt. */
  readonly held: HeldJob | undefined;
}

/** Jobs that are listed, the newest. */
const MAX_JOBS = 1000;

/** The jobs of an agent as its data directory has them, also those of an agent before it. */
export class JobRecords {
  readonly #dir: string;
  readonly #held: () => readonly HeldJob[];
  readonly #released: ReleasedJobs;
  readonly #known = new Map<string, Known>();

  constructor(dataDir: string, held: () => readonly HeldJob[], released: ReleasedJobs) {
    this.#dir = `${dataDir}/attempts`;
    this.#held = held;
    this.#released = released;
  }

  async list(): Promise<LocalJobStatus[]> {
    await this.#look();
    const newest = [...this.#known.values()].sort((a, b) => (a.attemptId < b.attemptId ? 1 : -1));
    const read = await Promise.all(newest.slice(0, MAX_JOBS).map((known) => this.#read(known)));
    const found = read.filter((each) => each !== undefined);
    const after = await this.#after(found);
    return found.map((each) => statusOf(each, after.get(each.spec.attemptId)));
  }

  /** Of the job's newest attempt here; `undefined` when this agent never had it. */
  async find(jobId: string): Promise<FoundJob | undefined> {
    const known = await this.#newest(jobId);
    const found = known === undefined ? undefined : await this.#read(known);
    if (found === undefined) return undefined;
    const after = (await this.#after([found])).get(found.spec.attemptId);
    return { status: statusOf(found, after), held: found.held, isGivenBack: found.isReleased };
  }

  /** As above, of whoever shows a token that its attempt has had; `undefined` for anybody else. */
  async findWith(jobId: string, token: string): Promise<LocalJobStatus | undefined> {
    const known = await this.#newest(jobId);
    if (known === undefined) return undefined;
    const found = await this.#read(known);
    if (found === undefined || !found.state.tokenProofs.includes(proofOf(token))) return undefined;
    return statusOf(found, (await this.#after([found])).get(found.spec.attemptId));
  }

  async log(
    jobId: string,
    { offset, limit }: { readonly offset: number; readonly limit: number },
  ): Promise<{ lines: string[]; totalLines: number } | undefined> {
    const known = await this.#newest(jobId);
    if (known === undefined) return undefined;
    const hasEnded = (await this.#read(known))?.exit !== undefined;
    return known.log.read(offset, limit, hasEnded);
  }

  /** Before it has heard of a release the server cannot say what follows. */
  #after(jobs: readonly ReadJob[]): Promise<ReadonlyMap<string, JobAfter>> {
    const released = jobs.filter(({ isReleased, held }) => isReleased && held === undefined);
    return this.#released.look(released.map(({ spec }) => spec.attemptId));
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

  async #read({ attemptId, runId, createdAtMs }: Known): Promise<ReadJob | undefined> {
    const files = attemptFiles(`${this.#dir}/${attemptId}`, runId);
    const found = await readAttempt(files);
    if (found === undefined) return undefined;
    const exit = await readExit(files.exit);
    const answer = exit === undefined ? undefined : await readControlAnswer(files);
    const isReleased =
      !isToEnd(found.state) && exit !== undefined && hasGivenBack(found.state, exit.exitCode === 0, answer);
    const held = this.#held().find((each) => each.attemptId === attemptId);
    return { ...found, createdAtMs, exit, isReleased, held };
  }
}

/** One attempt with all that is known of it here. */
interface ReadJob {
  readonly spec: AttemptSpec;
  readonly state: AttemptState;
  readonly createdAtMs: number;
  readonly exit: { readonly exitCode: number; readonly endedAt: number } | undefined;
  readonly isReleased: boolean;
  readonly held: HeldJob | undefined;
}

/** `after`: what has become of a job whose attempt gave its slot back. */
function statusOf(job: ReadJob, after: JobAfter | undefined): LocalJobStatus {
  const { spec, state, held, isReleased } = job;
  const exit = isReleased ? undefined : job.exit;
  const status = isReleased ? (after?.status ?? 'paused') : ownStatus(job);
  const endedAt = isReleased ? (after?.endedAt ?? null) : exit && new Date(exit.endedAt * 1000).toISOString();
  return {
    job_id: spec.runId,
    name: spec.stage,
    status,
    attempt_id: spec.attemptId,
    pid: held?.pid ?? null,
    created_at: new Date(job.createdAtMs).toISOString(),
    started_at: state.startedAtMs === null ? null : new Date(state.startedAtMs).toISOString(),
    completed_at: endedAt ?? null,
    exit_code: exit?.exitCode ?? null,
    error:
      state.startError?.message ??
      (status === 'failed' && !isReleased ? `exit code ${exit?.exitCode ?? 'unknown'}` : null),
  };
}

function ownStatus({ exit, held, state }: ReadJob): LocalJobStatus['status'] {
  return exit !== undefined || held === undefined ? endStatus(exit?.exitCode, state) : heldStatus(held);
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
