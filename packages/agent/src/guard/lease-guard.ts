import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { AgentLog } from '../agent-log.ts';
import {
  identityOf,
  isAlive,
  isLinux,
  type ProcessIdentity,
  readIdentityFile,
} from '../local/process-identity.ts';
import { writeAtomically } from '../local/write-atomically.ts';
import { GUARD_SCRIPT } from './guard-script.ts';

/** Until when a program may run without the agent having done something about it. */
export interface GuardedAttempt {
  readonly attemptId: string;
  /** By `leaseNowMs`. */
  readonly untilMs: number;
}

export interface LeaseGuardOptions {
  readonly dataDir: string;
  readonly url: string;
  readonly leaseMs: () => number;
  readonly lostGraceMs: number;
  /** False where nobody can give the work away while the agent is gone, or its programs are not on this machine. */
  readonly isNeeded: boolean;
  readonly log: AgentLog;
}

/**
 * Keeps a process beside the agent that ends the agent's programs when it does not do so itself: because it was
 * killed, stopped, or is stuck. It is there from the first attempt on, and goes on when the agent has gone and
 * programs have not. Where there is no /proc/uptime there is none.
 */
export class LeaseGuard {
  readonly #options: LeaseGuardOptions;
  #guard: ChildProcess | undefined;
  #written: Promise<void> = Promise.resolve();
  #next: (() => readonly GuardedAttempt[]) | undefined;
  /** How many there were at the last look; `undefined` before the first, when the directory may be another agent's. */
  #guarded: number | undefined;

  constructor(options: LeaseGuardOptions) {
    this.#options = options;
  }

  /** Takes over from the guard of an earlier agent in this directory, once there is something to guard. */
  watch(attempts: () => readonly GuardedAttempt[]): void {
    if (!isLinux || !this.#options.isNeeded) return;
    const isIdle = this.#next === undefined;
    this.#next = attempts;
    if (isIdle) this.#written = this.#written.then(() => this.#write());
  }

  /** The agent stops. Programs that go on stay guarded. Of an earlier agent's guard nothing stays either. */
  async stop(): Promise<void> {
    await this.#written;
    this.#guard?.removeAllListeners('exit');
    if (this.#guarded !== 0) return;
    endGuard(readIdentityFile(this.#chargePath));
    for (const path of [this.#leasesPath, this.#chargePath]) await rm(path, { force: true });
  }

  async #write(): Promise<void> {
    const attempts = this.#next?.() ?? [];
    this.#next = undefined;
    this.#guarded = attempts.length;
    if (attempts.length === 0 && this.#guard === undefined) return;
    const lines = attempts.map(({ attemptId, untilMs }) => `${attemptId} ${Math.floor(untilMs / 10)}\n`);
    try {
      await writeAtomically(this.#leasesPath, lines.join(''));
      if (this.#guard === undefined) await this.#start();
    } catch (error) {
      this.#options.log.error({ error: String(error) }, 'leases are not guarded beyond this process');
    }
  }

  async #start(): Promise<void> {
    const { dataDir, url, lostGraceMs } = this.#options;
    const older = readIdentityFile(this.#chargePath);
    const everySeconds = Math.min(MAX_LOOK_SECONDS, lostGraceMs / 1000 / 10);
    const safeFor = Math.floor((this.#options.leaseMs() + lostGraceMs / 2) / 10);
    const script = [this.#leasesPath, this.#chargePath, process.pid, everySeconds, safeFor];
    const command = [process.execPath, ENTRY, dataDir, url];
    const guard = spawn(
      'sh',
      ['-c', GUARD_SCRIPT, 'trainyard-guard', ...[...script, ...command].map(String)],
      {
        cwd: '/',
        detached: true,
        stdio: 'ignore',
      },
    );
    await new Promise((resolve, reject) => guard.once('spawn', resolve).once('error', reject));
    guard.unref();
    const identity = identityOf(guard.pid ?? 0);
    if (identity === undefined) throw new Error('the guard ended at once');
    this.#guard = guard;
    guard.once('exit', () => {
      this.#guard = undefined;
    });
    await writeAtomically(this.#chargePath, `${identity.bootId} ${identity.pid} ${identity.startTime}\n`);
    // It would find that it is not in charge any more; there is no need to wait for that.
    endGuard(older);
  }

  get #leasesPath(): string {
    return `${this.#options.dataDir}/leases`;
  }

  get #chargePath(): string {
    return `${this.#options.dataDir}/guard`;
  }
}

const MAX_LOOK_SECONDS = 2;

/** With what it waits for. It leads a group of its own. */
function endGuard(guard: ProcessIdentity | undefined): void {
  if (guard !== undefined && isAlive(guard)) process.kill(-guard.pid, 'SIGTERM');
}

/** Beside this file: a source in the workspace, JavaScript in a published package. */
const ENTRY = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
);
