import type { ExitResult } from '../executor.ts';
import { pause } from '../link/backoff.ts';
import type { AttemptControl, RemoteSignal } from './attempt-control.ts';
import type { HostLink } from './host-link.ts';
import { judgeRemote } from './judge-remote.ts';
import type { RemoteState } from './poll-answer.ts';
import { COUNT_SCRIPT, SIGNAL_SCRIPT, SWEEP_SCRIPT } from './remote-scripts.ts';

/** The processes of one attempt on its host: the session of the program and whatever carries the attempt's mark. */
export class RemoteProcesses implements AttemptControl {
  readonly #link: HostLink;
  readonly #args: readonly string[];
  #goneSinceMs: number | undefined;

  constructor(link: HostLink, attempt: { readonly dir: string; readonly attemptId: string }) {
    this.#link = link;
    this.#args = [attempt.dir, attempt.attemptId];
  }

  isAlive({ program }: RemoteState): boolean {
    return program === 'alive';
  }

  async judge(state: RemoteState): Promise<ExitResult | undefined> {
    const nowMs = performance.now();
    if (state.program === 'alive') this.#goneSinceMs = undefined;
    else this.#goneSinceMs ??= nowMs;
    return judgeRemote(state, nowMs - (this.#goneSinceMs ?? nowMs), Date.now());
  }

  /**
   * Signals the group of the program, and prevents its start when it was not started yet.
   * @returns what the script says: `ended`, `prevented`, `starting`, `gone` or `sent`
   * @throws when not all processes could be stopped: then nothing is
   */
  async signal(signal: RemoteSignal, untilMs: number): Promise<string> {
    const call = { script: SIGNAL_SCRIPT, args: [...this.#args, signal] };
    const { exitCode, stdout, stderr } = await this.#link.persistently(call, { untilMs });
    if (exitCode !== 0)
      throw new Error(`${signal} could not be sent on ${this.#link.transport.name}: ${stderr.trim()}`);
    return stdout.toString('utf8').trim();
  }

  /** The same; repeats while the program is being started, since a signal needs one. */
  async signalOnceStarted(signal: RemoteSignal, untilMs: number): Promise<string> {
    for (;;) {
      const said = await this.signal(signal, untilMs);
      if (said !== 'starting') return said;
      await pause(START_PAUSE_MS, this.#link.closed);
    }
  }

  /** Resolves when none is left, and at the latest at the deadline. */
  async untilEmpty(deadlineMs: number): Promise<void> {
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 1.5, 1000)) {
      const call = { script: COUNT_SCRIPT, args: this.#args };
      const count = await this.#link.once(call).catch(() => undefined);
      if (count?.stdout.toString('utf8').trim() === '0') return;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return;
      await pause(Math.min(pauseMs, leftMs), this.#link.closed);
    }
  }

  async sweep(untilMs: number): Promise<string | undefined> {
    const call = { script: SWEEP_SCRIPT, args: this.#args };
    const swept = await this.#link.persistently(call, { untilMs });
    if (swept.exitCode === 0) return undefined;
    const left = `${swept.stdout.toString('utf8').trim()} ${swept.stderr.trim()}`.trim();
    return `still alive on ${this.#link.transport.name} 10 s after KILL: ${left}`;
  }
}

const START_PAUSE_MS = 200;
