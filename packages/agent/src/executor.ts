import type { AttemptFiles, AttemptSpec, AttemptTarget, RunError } from '@trainyard/protocol';
import type { ControlFiles } from './control-files.ts';
import type { StartGroup } from './link/start-groups.ts';
import type { ByteSource } from './stream/byte-source.ts';

/** How an attempt's program ended. */
export type ExitResult =
  | { readonly kind: 'exited'; readonly exitCode: number; readonly endedAtMs: number }
  /** It is gone and left no exit code, for example because its machine was restarted. */
  | { readonly kind: 'vanished'; readonly error: RunError };

/** What an executor needs beside the spec. */
export interface StartContext {
  readonly files: AttemptFiles;
  readonly spec: AttemptSpec;
  /** Absolute. */
  readonly workingDir: string;
  /** Environment of a program on this machine, complete. */
  readonly env: Readonly<Record<string, string>>;
  /** What the job itself sets, with the values of its secrets: for programs on other machines. */
  readonly jobEnv: Readonly<Record<string, string>>;
  /** GPUs for it; `undefined` when the agent has none to give. */
  readonly gpuIds: readonly string[] | undefined;
  /** Others that are started now may be handed over together with it, by an executor that has a use for that. */
  readonly group?: StartGroup | undefined;
  /** Fires when the program is not wanted any more, or the agent stops. */
  readonly signal: AbortSignal;
}

/** Where the files are that a program names in its outputs, and what is in them. */
export interface ProgramFiles {
  readonly isLocal: boolean;
  /** What relative paths are relative to. */
  readonly workingDir: string;
  /** `undefined` when there is nothing; the size of a directory is that of all files in it. */
  stat(
    path: string,
  ): Promise<{ readonly kind: 'file' | 'directory'; readonly sizeBytes: number } | undefined>;
  /** SHA-256 of a file in hex. */
  sha256(path: string, signal: AbortSignal): Promise<string>;
  /**
   * One SHA-256 in hex for all that is in a directory: of a line `HASH  ./PATH` per regular file, in the order of the
   * bytes of the paths, each ended by a zero byte. That is what `find . -type f -print0 | LC_ALL=C sort -z |
   * xargs -0r sha256sum -z | sha256sum` gives in it; links are left out.
   */
  sha256OfDirectory(path: string, signal: AbortSignal): Promise<string>;
  /**
   * Deletes what a program left: inside of an attempt's directory, or of `alsoIn`. Calls `before` when it is about
   * to. What lies elsewhere, or is a link, stays.
   */
  remove(path: string, alsoIn: string | undefined, before: () => Promise<void>): Promise<void>;
}

/** An attempt whose program was started, by this agent or by the one before it. */
export interface RunningAttempt {
  readonly pid: number | undefined;
  /** Where it runs, when that is another machine. */
  readonly target?: AttemptTarget;
  /** Left out when the files are on this machine. */
  readonly programFiles?: ProgramFiles;
  /** Left out when they are on this machine, or when there are none. */
  readonly control?: ControlFiles;
  /** Since when its machine cannot be reached, by the monotonic clock; that alone ends nothing. */
  readonly unreachableSinceMs?: number | undefined;
  alive(): boolean;
  /** Follows a file of the attempt, by its path in `AttemptFiles`. Left out: it is on this machine. */
  openFile?(path: string): ByteSource;
  /** Resolves when the program has ended; never rejects. Rejects only when `signal` fires. */
  waitForExit(signal: AbortSignal): Promise<ExitResult>;
  /**
   * Ends the program: politely first, by force after `graceMs`. Resolves when the signals are sent, to
   * false when the program had ended by itself before.
   */
  cancel(options: { readonly graceMs: number }): Promise<boolean>;
  /**
   * Stops all processes where they are, or lets them go on. False when there is none any more; left out where it
   * cannot be done. @throws when some could not be stopped: then nothing is
   */
  freeze?(isFrozen: boolean): Promise<boolean>;
  /** Whether the kernel has ended a process of the program for lack of memory; `undefined`: cannot be told. */
  ranOutOfMemory?(): boolean | undefined;
  /**
   * Ends what is left of the process tree, verifies that nothing is, and returns what went wrong. May be called again.
   */
  cleanUp(): Promise<string | undefined>;
}

/** A way to run attempts: on this machine, over SSH, on Slurm. */
export interface Executor {
  readonly name: string;
  /** False when attempts have no files: nothing is captured, and they are not adopted after a restart. */
  readonly usesAttemptDir: boolean;
  /** Its programs run on this machine, so that another process here can end them in the place of the agent. */
  readonly isLocal?: boolean;
  /**
   * Starts the program once, however often it is called for one directory.
   * @throws StartError when it could not be started
   */
  start(context: StartContext): Promise<RunningAttempt>;
  /** Takes over what an earlier agent started; `undefined` when it never started the program. */
  adopt(files: AttemptFiles, spec: AttemptSpec): Promise<RunningAttempt | undefined>;
  /**
   * Removes what an attempt that has ended left on another machine; left out where everything is on this one.
   * @throws when it cannot be reached: it is tried again later
   */
  removeFiles?(files: AttemptFiles, spec: AttemptSpec): Promise<void>;
  /** Called when the agent stops: nothing is waited for any more, programs go on. */
  close?(): Promise<void>;
}

/** Why a program could not be started, in words for the user. */
export class StartError extends Error {
  readonly runError: RunError;

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'StartError';
    this.runError = { code, message };
  }
}
