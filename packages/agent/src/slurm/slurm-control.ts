import type { AttemptSpec } from '@trainyard/protocol';
import type { ExitResult } from '../executor.ts';
import { Backoff, pause } from '../link/backoff.ts';
import type { AttemptControl, RemoteSignal } from '../remote/attempt-control.ts';
import type { HostLink } from '../remote/host-link.ts';
import type { RemoteState } from '../remote/poll-answer.ts';
import { type CallResult, type RemoteCall, TransportError } from '../transport/transport.ts';
import { FORGET_TASK_SCRIPT, PLACES_SCRIPT } from './array-scripts.ts';
import { judgeSlurm } from './judge-slurm.ts';
import type { SlurmCancels } from './slurm-cancels.ts';
import type { SlurmQueue } from './slurm-queue.ts';
import { type ArrayPlace, isOver, parsePlaces, type SlurmRow } from './slurm-rows.ts';
import { HALT_SCRIPT, REMOVE_SCRIPT, SWEPT_SCRIPT } from './slurm-scripts.ts';
import { sweepNode } from './sweep-node.ts';

export interface SlurmControlOptions {
  readonly link: HostLink;
  readonly queue: SlurmQueue;
  readonly cancels: SlurmCancels;
  readonly spec: AttemptSpec;
  /** Of the attempt, on the host and the nodes. */
  readonly dir: string;
  readonly settleMs: number;
}

/** One attempt in Slurm. */
export class SlurmControl implements AttemptControl {
  readonly #options: SlurmControlOptions;
  /** When Slurm was asked that first showed it as over, with no other answer since. */
  #overSinceMs: number | undefined;
  #isCancelled = false;
  #wasSeen = false;
  #places: readonly ArrayPlace[] | undefined;

  constructor(options: SlurmControlOptions) {
    this.#options = options;
  }

  /** Its processes are on another machine, so that they cannot be looked for. */
  isAlive({ exit, lock }: RemoteState): boolean {
    const row = this.#options.queue.lastRow(this.#options.spec.attemptId);
    return exit === undefined && lock === 'yes' && (row === undefined || !isOver(row));
  }

  async judge(state: RemoteState): Promise<ExitResult | undefined> {
    const { queue, spec, settleMs } = this.#options;
    await this.#watch();
    const wasTold = state.exit !== undefined && (await this.#wasTold());
    const sighting = queue.sighting(spec.attemptId);
    const isGone = sighting !== undefined && (sighting.row === undefined || isOver(sighting.row));
    this.#wasSeen ||= sighting?.row !== undefined;
    if (isGone) this.#overSinceMs ??= sighting.askedAtMs;
    else this.#overSinceMs = undefined;
    return judgeSlurm({
      state,
      row: sighting?.row,
      wasSeen: this.#wasSeen,
      overForMs: isGone ? sighting.askedAtMs - this.#overSinceMs! : 0,
      wasTold,
      isCancelled: this.#isCancelled,
      nowMs: Date.now(),
      settleMs,
    });
  }

  async signal(signal: RemoteSignal, untilMs: number): Promise<string> {
    const { spec, dir } = this.#options;
    if (signal === 'STOP' || signal === 'CONT') {
      // Not by "scontrol suspend": that needs the rights of an operator, and would give its processors to others.
      const halt = { script: HALT_SCRIPT, args: [dir, spec.attemptId, signal], timeoutMs: HALT_LIMIT_MS };
      const { exitCode, stdout, stderr } = await this.#slurm(halt, untilMs);
      if (exitCode !== 0) throw new Error(stderr.trim());
      return stdout.toString('utf8').trim();
    }
    this.#isCancelled = true;
    const said = await this.#cancel(signal, untilMs);
    if (signal === 'KILL' && said === 'sent') await this.#force(untilMs);
    return said;
  }

  /** A job that does not run yet is prevented instead, so there is nothing to wait for. */
  signalOnceStarted(signal: RemoteSignal, untilMs: number): Promise<string> {
    return this.signal(signal, untilMs);
  }

  async untilEmpty(deadlineMs: number): Promise<void> {
    await this.#untilOver(deadlineMs);
  }

  async sweep(untilMs: number): Promise<string | undefined> {
    const { link, queue, spec, dir } = this.#options;
    const patienceMs = Math.min(untilMs, performance.now() + END_PATIENCE_MS);
    // The script of the job sees its own node only; the others are done when Slurm says so.
    const orSwept = (spec.remote?.slurm?.nodes ?? 1) === 1;
    let row = await this.#untilOver(patienceMs, { orSwept });
    if (row === 'swept') {
      await this.#forget();
      return undefined;
    }
    if (row !== 'over') {
      await this.#slurm({ script: REMOVE_SCRIPT, args: [dir, spec.attemptId] }, untilMs);
      row = await this.#untilOver(Math.min(untilMs, performance.now() + REMOVE_PATIENCE_MS));
    }
    const left = await sweepNode(link, { dir, attemptId: spec.attemptId });
    if (row === 'over') {
      await this.#forget();
      return left;
    }
    queue.forget(spec.attemptId);
    const what = typeof row === 'object' ? `job ${row.jobId} is ${row.state}` : 'Slurm does not answer';
    return [`it may be still in Slurm: ${what}`, left].filter((text) => text !== undefined).join('; ');
  }

  /** It is over. */
  async #forget(): Promise<void> {
    const { link, queue, spec, dir } = this.#options;
    queue.forget(spec.attemptId);
    await link.once({ script: FORGET_TASK_SCRIPT, args: [dir] }).catch(() => link.closed.throwIfAborted());
  }

  /** When the script of the job does not end it, for example since it was killed itself, Slurm has to. */
  async #force(untilMs: number): Promise<void> {
    const { spec, dir } = this.#options;
    if ((await this.#untilOver(Math.min(untilMs, performance.now() + FORCE_PATIENCE_MS))) === 'over') return;
    await this.#slurm({ script: REMOVE_SCRIPT, args: [dir, spec.attemptId] }, untilMs);
  }

  /**
   * `over`, or how it stands at the deadline; `undefined` when Slurm has not answered. With `orSwept` also `swept`,
   * when the script of the job was through: for that Slurm is not needed.
   */
  async #untilOver(
    deadlineMs: number,
    { orSwept = false } = {},
  ): Promise<'over' | 'swept' | SlurmRow | undefined> {
    const { queue, spec, link } = this.#options;
    const askedFromMs = performance.now();
    for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 1.5, 2000)) {
      if (orSwept && (await this.#isSwept())) return 'swept';
      const asking = this.#watch()
        .then(() => queue.ask())
        .catch(() => undefined);
      // A Slurm that does not answer does not hold up what can be seen without it.
      await (orSwept ? Promise.race([asking, pause(pauseMs, link.closed)]) : asking);
      link.closed.throwIfAborted();
      const sighting = queue.sighting(spec.attemptId);
      // An older answer may be of before the end, or of before the job was there.
      const isFresh = sighting !== undefined && sighting.askedAtMs >= askedFromMs;
      if (isFresh && (sighting.row === undefined || isOver(sighting.row))) return 'over';
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return isFresh ? sighting.row : undefined;
      await pause(Math.min(pauseMs, leftMs), link.closed);
    }
  }

  /** As which tasks of arrays it was handed over is settled by now; an agent before this one may have done it. */
  async #watch(): Promise<void> {
    const { queue, spec, link, dir } = this.#options;
    if (this.#places === undefined) {
      const { stdout } = await link.once({ script: PLACES_SCRIPT, args: [dir] });
      this.#places = parsePlaces(stdout.toString('utf8'));
    }
    queue.watch(spec.attemptId, this.#places);
  }

  async #isSwept(): Promise<boolean> {
    const { link, dir } = this.#options;
    const looked = await link.once({ script: SWEPT_SCRIPT, args: [dir] }).catch(() => undefined);
    return looked?.exitCode === 0;
  }

  async #wasTold(): Promise<boolean> {
    const { link, dir } = this.#options;
    return (await link.once({ script: '[ -e "$1/signalled" ]', args: [dir] })).exitCode === 0;
  }

  /** Together with others that are to end now. @throws TransportError when Slurm has not answered by `untilMs` */
  async #cancel(signal: 'TERM' | 'KILL', untilMs: number): Promise<string> {
    const { cancels, spec, dir, link } = this.#options;
    const backoff = new Backoff({ firstMs: 500, maxMs: 10_000 });
    for (;;) {
      try {
        return await cancels.cancel({ attemptId: spec.attemptId, dir, signal });
      } catch (error) {
        if (!(error instanceof TransportError) || performance.now() > untilMs) throw error;
        await backoff.wait(link.closed);
      }
    }
  }

  /** Until Slurm has answered. @throws TransportError when it has not by `untilMs` */
  async #slurm(call: RemoteCall, untilMs: number): Promise<CallResult> {
    const { link } = this.#options;
    const backoff = new Backoff({ firstMs: 500, maxMs: 10_000 });
    for (;;) {
      const result = await link.persistently({ timeoutMs: 30_000, ...call }, { untilMs });
      if (result.exitCode === 0 || result.exitCode === GIVEN_UP) return result;
      if (performance.now() > untilMs) {
        throw new TransportError('unreachable', `Slurm did not answer: ${result.stderr.trim()}`);
      }
      await backoff.wait(link.closed);
    }
  }
}

/** Slurm has answered, but the script of the job does not. */
const GIVEN_UP = 70;
/** Looks at Slurm, a signal, and up to 20 s until the node has done it. */
const HALT_LIMIT_MS = 90_000;
/** How long the script of a job may take to end after its program, before Slurm is asked to remove it. */
const END_PATIENCE_MS = 30_000;
/** Slurm itself waits for KillWait, 30 s by default, between TERM and KILL. */
const REMOVE_PATIENCE_MS = 90_000;
const FORCE_PATIENCE_MS = 10_000;
