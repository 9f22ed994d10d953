import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { rm, stat, writeFile } from 'node:fs/promises';
import type { AttemptFiles, AttemptSpec } from '@trainyard/protocol';
import { programCommand } from '../builtin/program-command.ts';
import {
  type Executor,
  type ExitResult,
  type RunningAttempt,
  type StartContext,
  StartError,
} from '../executor.ts';
import { WakeableWait } from '../wakeable-wait.ts';
import { type Cgroup, createCgroup, existingCgroup } from './cgroup.ts';
import { isAlive, type ProcessIdentity, readBootId, readIdentityFile } from './process-identity.ts';
import { ATTEMPT_MARKER } from './process-table.ts';
import { endSession, freezeTree, type ProcessTree, sweep, thawTree } from './process-tree.ts';
import { SUPERVISOR_SCRIPT } from './supervisor-script.ts';

/** Runs attempts on this machine, each under a supervisor that outlives the agent. */
export const localExecutor: Executor = {
  name: 'local',
  usesAttemptDir: true,
  isLocal: true,
  start,
  adopt,
};

async function start(context: StartContext): Promise<RunningAttempt> {
  const { files, spec, workingDir } = context;
  await checkWorkingDir(workingDir);
  context.signal.throwIfAborted();
  const cgroup = await createCgroup(spec.attemptId);
  try {
    if (cgroup !== undefined) await writeFile(files.cgroup, `${cgroup.dir}\n`);
    const attempt = new LocalAttempt(files, spec);
    const child = await spawnSupervisor(context, cgroup);
    attempt.wakeOnExitOf(child);
    await attempt.waitForStart();
    return attempt;
  } catch (error) {
    // Nobody will clean up behind an attempt that never was.
    await cgroup?.remove();
    throw error;
  }
}

async function adopt(files: AttemptFiles, spec: AttemptSpec): Promise<RunningAttempt | undefined> {
  if (existsSync(lockDir(files))) return new LocalAttempt(files, spec);
  // It is made again when the program is started after all.
  await readCgroup(files)?.remove();
  return undefined;
}

class LocalAttempt implements RunningAttempt {
  readonly #files: AttemptFiles;
  readonly #spec: AttemptSpec;
  readonly #cgroup: Cgroup | undefined;
  /** From one look to the next. */
  readonly #pauses = new WakeableWait();
  #program: ProcessIdentity | undefined;
  #supervisor: ProcessIdentity | undefined;
  #programGoneSinceMs: number | undefined;
  /** Long while the supervisor is a child of this agent, whose end wakes. */
  #lastPollMs = LAST_POLL_MS;
  #oomKills: number | undefined;

  constructor(files: AttemptFiles, spec: AttemptSpec) {
    this.#files = files;
    this.#spec = spec;
    this.#cgroup = readCgroup(files);
  }

  get pid(): number | undefined {
    return this.#identities().program?.pid;
  }

  alive(): boolean {
    const { program } = this.#identities();
    return program !== undefined && isAlive(program);
  }

  wakeOnExitOf(child: ChildProcess): void {
    this.#lastPollMs = LAST_POLL_OF_CHILD_MS;
    child.once('exit', () => {
      this.#lastPollMs = LAST_POLL_MS;
      this.#pauses.wake();
    });
  }

  /** Resolves once the program's identity or its end is on disk, or nobody is left who could write them. */
  async waitForStart(): Promise<void> {
    const launchedAtMs = performance.now();
    for (;;) {
      const { program, supervisor } = this.#identities();
      if (program !== undefined || readExit(this.#files) !== undefined) return;
      const waitedMs = performance.now() - launchedAtMs;
      if (supervisor === undefined ? waitedMs > START_LIMIT_MS : !isAlive(supervisor)) return;
      await this.#pauses.wait(START_POLL_MS);
    }
  }

  async waitForExit(signal: AbortSignal): Promise<ExitResult> {
    for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 1.2, this.#lastPollMs)) {
      const result = this.#poll();
      if (result !== undefined) return result;
      await this.#pauses.wait(pauseMs, signal);
      signal.throwIfAborted();
    }
  }

  async cancel({ graceMs }: { readonly graceMs: number }): Promise<boolean> {
    // A signal needs a program: one that is just being started is ended once it is there.
    await this.waitForStart();
    if (readExit(this.#files) !== undefined) return false;
    await endSession(this.#tree(), graceMs);
    this.#pauses.wake();
    return true;
  }

  async freeze(isFrozen: boolean): Promise<boolean> {
    await (isFrozen ? freezeTree : thawTree)(this.#tree());
    return this.alive();
  }

  ranOutOfMemory(): boolean | undefined {
    this.#oomKills ??= this.#cgroup?.oomKills();
    return this.#oomKills === undefined ? undefined : this.#oomKills > 0;
  }

  async cleanUp(): Promise<string | undefined> {
    // The cgroup goes with its last process.
    this.ranOutOfMemory();
    const left = await sweep(this.#tree());
    await this.#removeTemporaries();
    return left;
  }

  /** A supervisor that was killed in the middle of a write leaves half a file. */
  async #removeTemporaries(): Promise<void> {
    const { supervisor } = this.#identities();
    if (supervisor !== undefined && isAlive(supervisor)) return;
    for (const path of [this.#files.pid, this.#files.exit]) await rm(`${path}.tmp`, { force: true });
  }

  #tree(): ProcessTree {
    const { attemptId, stopSignal } = this.#spec;
    return { attemptId, program: this.#identities().program, cgroup: this.#cgroup, stopSignal };
  }

  /** One look at files and processes; `undefined` while the program runs or its end may still be written. */
  #poll(): ExitResult | undefined {
    const exit = readExit(this.#files);
    if (exit !== undefined) return exit;
    const { program, supervisor } = this.#identities();
    const known = program ?? supervisor;
    if (known !== undefined && known.bootId !== readBootId()) {
      return vanished('machine_restarted', 'the machine was restarted while the program ran');
    }
    if (program !== undefined && isAlive(program)) {
      this.#programGoneSinceMs = undefined;
      return undefined;
    }
    const now = performance.now();
    this.#programGoneSinceMs ??= now;
    // While the supervisor lives it is about to write the end, or to start the program. Before it has
    // recorded itself nothing is known of it but its lock.
    const patienceMs =
      supervisor === undefined ? START_LIMIT_MS : isAlive(supervisor) ? SUPERVISOR_LIMIT_MS : 0;
    if (now - this.#programGoneSinceMs < patienceMs) return undefined;
    // It may have written the end just before it went.
    return readExit(this.#files) ?? vanished('process_vanished', this.#vanishedText(program));
  }

  #vanishedText(program: ProcessIdentity | undefined): string {
    return program === undefined
      ? 'the supervisor of the program went away before it had started it (was it killed?)'
      : `the program (pid ${program.pid}) is gone and its exit code is not known: its supervisor was killed, or it was killed together with it`;
  }

  #identities(): { program: ProcessIdentity | undefined; supervisor: ProcessIdentity | undefined } {
    this.#program ??= readIdentityFile(this.#files.pid);
    this.#supervisor ??= readIdentityFile(`${lockDir(this.#files)}/supervisor`);
    return { program: this.#program, supervisor: this.#supervisor };
  }
}

const FIRST_POLL_MS = 50;
const LAST_POLL_MS = 250;
const LAST_POLL_OF_CHILD_MS = 1000;
const START_POLL_MS = 4;
/** From the launch of the supervisor to the program's pid file. */
const START_LIMIT_MS = 10_000;
/** From the end of the program to its exit file; the supervisor tries for ten minutes when the disk is full. */
const SUPERVISOR_LIMIT_MS = 15 * 60_000;

/** Held by the supervisor that was first; it writes its own identity there. */
function lockDir(files: AttemptFiles): string {
  return `${files.pid}.lock`;
}

async function checkWorkingDir(workingDir: string): Promise<void> {
  const found = await stat(workingDir).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    const why = found.code === 'ENOENT' ? 'does not exist' : `cannot be used (${found.code})`;
    throw new StartError(
      'working_dir_missing',
      `working directory ${workingDir} ${why} on the agent's machine; create it or correct "workingDir"`,
    );
  }
  if (!found.isDirectory()) {
    throw new StartError(
      'working_dir_missing',
      `working directory ${workingDir} is not a directory; correct "workingDir"`,
    );
  }
}

function readCgroup(files: AttemptFiles): Cgroup | undefined {
  try {
    return existingCgroup(readFileSync(files.cgroup, 'utf8').trim());
  } catch {
    return undefined;
  }
}

function spawnSupervisor(
  { files, spec, workingDir, env }: StartContext,
  cgroup: Cgroup | undefined,
): Promise<ChildProcess> {
  const command = programCommand(spec);
  const { [ATTEMPT_MARKER]: _marker, PATH: programPath, ...rest } = env;
  const arguments_ = [files.pid, files.exit, files.output, spec.attemptId, programPath ?? '', ...command];
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) =>
      reject(
        new StartError('start_failed', `the program could not be started: ${startFault(error)}`, {
          cause: error,
        }),
      );
    try {
      const child = spawn('sh', ['-c', SUPERVISOR_SCRIPT, 'trainyard-supervisor', ...arguments_], {
        cwd: workingDir,
        // The script itself needs the tools of the agent's PATH, whatever the job sets.
        env: {
          ...rest,
          PATH: process.env['PATH'] ?? '/usr/bin:/bin',
          TRAINYARD_CGROUP: cgroup?.dir ?? '',
        },
        detached: true,
        stdio: 'ignore',
      });
      child.once('error', fail);
      child.once('spawn', () => {
        child.unref();
        resolve(child);
      });
    } catch (error) {
      fail(error);
    }
  });
}

function startFault(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return code === 'E2BIG'
    ? 'its command and environment are more than the system takes (on Linux 128 KiB for one value); hand large values over in "params", which it finds in the file $TRAINYARD_PARAMS'
    : error.message;
}

function readExit(files: AttemptFiles): ExitResult | undefined {
  if (!existsSync(files.exit)) return undefined;
  try {
    const parsed = JSON.parse(readFileSync(files.exit, 'utf8')) as { exitCode?: unknown };
    if (typeof parsed.exitCode !== 'number') return undefined;
    // The file's own time has milliseconds, its "endedAt" only seconds.
    return { kind: 'exited', exitCode: parsed.exitCode, endedAtMs: Math.round(statSync(files.exit).mtimeMs) };
  } catch {
    return undefined;
  }
}

function vanished(code: string, message: string): ExitResult {
  return { kind: 'vanished', error: { code, message } };
}
