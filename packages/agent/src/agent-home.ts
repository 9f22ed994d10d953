import { existsSync } from 'node:fs';
import { link, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import {
  type AttemptFiles,
  type AttemptSpec,
  attemptFiles,
  dataDirError,
  TOKEN_RENEWAL,
  TrainyardError,
} from '@trainyard/protocol';
import { z } from 'zod';
import type { AgentLog } from './agent-log.ts';
import { AttemptJournal, type AttemptState, readAttempt } from './attempt/attempt-state.ts';
import { newAttemptToken, proofOf } from './link/attempt-token.ts';
import { identityOf, isAlive, readBootId, readIdentityFile } from './local/process-identity.ts';
import { removeTemporaries, writeAtomically } from './local/write-atomically.ts';

const agentFile = z.object({
  agentId: z.string(),
  /** Kind of the server's database; tells whether another server can exist beside it. */
  database: z.enum(['embedded', 'external']).default('external'),
});
export type AgentFile = z.infer<typeof agentFile>;

/** What an earlier agent left of one attempt. */
export interface LeftAttempt {
  readonly spec: AttemptSpec;
  readonly files: AttemptFiles;
  readonly journal: AttemptJournal;
}

/**
 * The agent's data directory: `agent.json`, `agent.lock`, `attempts/ID/`, and `held/ID`, an empty file per
 * attempt that is not reported yet, so that a start does not read through all attempts there ever were.
 */
export class AgentHome {
  readonly #dir: string;
  readonly #log: AgentLog;

  private constructor(dir: string, log: AgentLog) {
    this.#dir = dir;
    this.#log = log;
  }

  /**
   * Creates the directory and takes it for this process.
   * @throws TrainyardError DATA_DIR_IN_USE when a live agent has it, USAGE when it cannot be made
   */
  static async open(options: { readonly dataDir: string; readonly log: AgentLog }): Promise<AgentHome> {
    const { dataDir, log } = options;
    for (const name of ['attempts', 'held']) {
      const made = mkdir(`${dataDir}/${name}`, { recursive: true, mode: 0o700 });
      await made.catch((error: unknown) => Promise.reject(dataDirError(dataDir, error)));
    }
    await takeLock(`${dataDir}/agent.lock`, dataDir);
    await removeTemporaries(dataDir);
    return new AgentHome(dataDir, log);
  }

  async close(): Promise<void> {
    await rm(this.#lockPath, { force: true });
  }

  async readAgentFile(): Promise<AgentFile | undefined> {
    try {
      return agentFile.parse(JSON.parse(await readFile(this.#agentPath, 'utf8')));
    } catch {
      return undefined;
    }
  }

  async writeAgentFile(content: AgentFile): Promise<void> {
    await writeAtomically(this.#agentPath, `${JSON.stringify(content)}\n`);
  }

  /** Notes that the server answered just now; kept as the time of agent.json, which costs no writing. */
  async noteContact(): Promise<void> {
    const now = new Date();
    await utimes(this.#agentPath, now, now).catch(() => undefined);
  }

  /** Milliseconds since an agent in this directory last heard from the server; 0 when never. */
  async sinceContactMs(): Promise<number> {
    const found = await stat(this.#agentPath).catch(() => undefined);
    return found === undefined ? 0 : Math.max(0, Date.now() - found.mtimeMs);
  }

  filesOf(spec: Pick<AttemptSpec, 'attemptId' | 'runId'>): AttemptFiles {
    return attemptFiles(`${this.#dir}/attempts/${spec.attemptId}`, spec.runId);
  }

  /**
   * Puts a claimed attempt on disk, its token left out. First that there is something, so that a later agent finds
   * what is not complete.
   */
  async createAttempt(spec: AttemptSpec, token: string): Promise<LeftAttempt> {
    const files = this.filesOf(spec);
    await writeFile(this.#heldPath(spec.attemptId), '');
    await mkdir(files.dir, { recursive: true, mode: 0o700 });
    const journal = this.#journal(files.agentState, newState(spec, token), token);
    await writeAtomically(files.spec, `${JSON.stringify(spec, null, 2)}\n`);
    await journal.update({});
    return { spec, files, journal };
  }

  /** The attempt is reported or discarded: no later agent has to look at it. */
  async releaseAttempt(attemptId: string): Promise<void> {
    await rm(this.#heldPath(attemptId), { force: true });
  }

  /** An attempt that lives in memory only. */
  rememberAttempt(spec: AttemptSpec, token: string): LeftAttempt {
    const journal = this.#journal(undefined, newState(spec, token), token);
    return { spec, files: this.filesOf(spec), journal };
  }

  /**
   * Attempts that an earlier agent held and had not reported, or whose processes it could not end. Its
   * tokens ended with it: each has a new one, which the server does not know yet.
   */
  async unreportedAttempts(): Promise<readonly LeftAttempt[]> {
    const left: LeftAttempt[] = [];
    for (const attemptId of await readdir(`${this.#dir}/held`)) {
      const dir = `${this.#dir}/attempts/${attemptId}`;
      const found = await readAttempt(attemptFiles(dir, ''));
      if (found === undefined || (found.state.phase !== 'held' && found.state.left === null)) {
        if (found === undefined) await this.#removeUnstarted(dir);
        await this.releaseAttempt(attemptId);
        continue;
      }
      const files = attemptFiles(dir, found.spec.runId);
      await removeTemporaries(files.dir);
      const token = newAttemptToken();
      const state = withToken(found.state, token);
      left.push({ spec: found.spec, files, journal: this.#journal(files.agentState, state, token) });
    }
    return left;
  }

  /** True of an attempt whose directory is here and that is not held any more. */
  isOver(attemptId: string): boolean {
    return existsSync(`${this.#dir}/attempts/${attemptId}`) && !existsSync(this.#heldPath(attemptId));
  }

  /** The agent was killed while it made the directory. Where a program may have been started, all stays. */
  async #removeUnstarted(dir: string): Promise<void> {
    const { spec, agentState } = attemptFiles(dir, '');
    const ours = [basename(spec), basename(agentState)];
    const names = await readdir(dir).catch(() => []);
    if (!names.every((name) => ours.some((own) => name.startsWith(own)))) return;
    await rm(dir, { recursive: true, force: true });
  }

  #journal(path: string | undefined, state: AttemptState, token: string): AttemptJournal {
    const onWriteError = (error: unknown): void => {
      this.#log.error({ path, error: String(error) }, 'cannot save the state of a job');
    };
    return new AttemptJournal({ path, state, token, onWriteError });
  }

  #heldPath(attemptId: string): string {
    return `${this.#dir}/held/${attemptId}`;
  }

  get #agentPath(): string {
    return `${this.#dir}/agent.json`;
  }

  get #lockPath(): string {
    return `${this.#dir}/agent.lock`;
  }
}

/** With one more proof. Those of tokens that were never taken are dropped when there are too many. */
function withToken({ token: kept, tokenProofs, ...state }: AttemptState, token: string): AttemptState {
  const [first, ...others] = kept === undefined ? tokenProofs : [proofOf(kept)];
  const recent = others.slice(-(TOKEN_RENEWAL.maxProofs - 1));
  return { ...state, tokenProofs: [...(first === undefined ? [] : [first]), ...recent, proofOf(token)] };
}

function newState(spec: AttemptSpec, token: string): AttemptState {
  return {
    version: 1,
    tokenProofs: [proofOf(token)],
    epoch: spec.epoch,
    bootId: readBootId(),
    phase: 'held',
    gpuIds: [],
    cancelRequested: false,
    partitioned: false,
    pausing: null,
    pausedAs: null,
    paramUpdate: null,
    paramsAnswered: 0,
    releaseKilled: false,
    preempted: false,
    stalled: null,
    oomKillsBefore: null,
    cacheFiles: null,
    startedAtMs: null,
    left: null,
    startError: null,
    streams: {},
  };
}

async function takeLock(path: string, dir: string): Promise<void> {
  const self = identityOf(process.pid);
  const line = `${self?.bootId} ${self?.pid} ${self?.startTime}\n`;
  for (let tries = 0; tries < 3; tries += 1) {
    if (await createWith(path, line)) return;
    const owner = readIdentityFile(path);
    if (owner !== undefined && isAlive(owner)) {
      throw new TrainyardError(
        'DATA_DIR_IN_USE',
        `Another agent (pid ${owner.pid} on ${hostname()}) uses ${dir}; stop it or give this one another data directory.`,
      );
    }
    await rm(path, { force: true });
  }
  throw new TrainyardError('DATA_DIR_IN_USE', `Another agent is taking ${dir} at this moment; try again.`);
}

/** Creates a file that has its content from the first moment on; false when it exists already. */
async function createWith(path: string, text: string): Promise<boolean> {
  const temporary = `${path}.tmp.${process.pid}.0`;
  await writeFile(temporary, text, { mode: 0o600 });
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}
