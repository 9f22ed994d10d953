import type { AttemptSpec } from '@trainyard/protocol';
import type { ExitResult } from '../executor.ts';
import type { StartGroup } from '../link/start-groups.ts';
import type { CallResult } from '../transport/transport.ts';
import type { HostLink } from './host-link.ts';
import type { RemoteState } from './poll-answer.ts';
import type { RemoteAttemptFiles, RemoteLayout } from './remote-layout.ts';
import type { LaunchPayload } from './start-payload.ts';

export type RemoteSignal = 'TERM' | 'KILL' | 'STOP' | 'CONT';

/** Tells how one attempt on a host stands, and ends its processes: the host's shell, or a batch system. */
export interface AttemptControl {
  /** Whether a look shows that the program runs. */
  isAlive(state: RemoteState): boolean;
  /** What a look means; `undefined` while the program runs, waits, or its end may still be written. */
  judge(state: RemoteState): Promise<ExitResult | undefined>;
  /**
   * Signals the program, and prevents its start when it was not started yet.
   * @returns `ended`, `prevented`, `starting`, `gone` or `sent`
   */
  signal(signal: RemoteSignal, untilMs: number): Promise<string>;
  /** The same; repeats while the program is being started, since a signal needs one. */
  signalOnceStarted(signal: RemoteSignal, untilMs: number): Promise<string>;
  /** Resolves when none is left, and at the latest at the deadline. */
  untilEmpty(deadlineMs: number): Promise<void>;
  /** Kills what is left, and returns what went wrong. */
  sweep(untilMs: number): Promise<string | undefined>;
}

/** An attempt that is to be handed over. */
export interface BatchLaunch {
  readonly link: HostLink;
  readonly spec: AttemptSpec;
  readonly remote: RemoteAttemptFiles;
  readonly layout: RemoteLayout;
  readonly workingDir: string;
  readonly condaEnv: string;
  readonly payload: LaunchPayload;
  readonly sharedNames: readonly string[];
  /** Those that may be handed over together with it. */
  readonly group?: StartGroup | undefined;
}

/** Who starts programs for a host and ends them, where that is not the host's own shell. */
export interface BatchSystem {
  /**
   * Hands an attempt over, once, however often it is called. An exit code other than 0 is a refusal.
   * @throws TransportError when it is not known what became of it
   */
  launch(launch: BatchLaunch): Promise<CallResult>;
  /**
   * Sees to it that nothing of an earlier attempt of the run lives, before a new one is handed over; `dir` is that of
   * the new one. An exit code other than 0 is a refusal, 71 that something does not end.
   * @throws TransportError when it is not known whether something does
   */
  fence(link: HostLink, attempt: { readonly spec: AttemptSpec; readonly dir: string }): Promise<CallResult>;
  /** True when it knows the attempt, or cannot say. */
  knows(link: HostLink, attempt: { readonly dir: string; readonly attemptId: string }): Promise<boolean>;
  control(link: HostLink, spec: AttemptSpec, dir: string): AttemptControl;
  /** Nothing is asked any more; what it runs goes on. */
  close(): void;
}
