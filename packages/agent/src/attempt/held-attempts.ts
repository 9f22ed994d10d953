import type { AgentCommand, Assignment, HeldAttempt } from '@trainyard/protocol';
import type { AgentHome, LeftAttempt } from '../agent-home.ts';
import { laneOf } from '../agent-lanes.ts';
import type { ResolvedAgentOptions } from '../agent-options.ts';
import type { RunningAttempt } from '../executor.ts';
import type { GuardedAttempt, LeaseGuard } from '../guard/lease-guard.ts';
import { leaseNowMs } from '../link/lease-clock.ts';
import type { Leases } from '../link/leases.ts';
import type { ReportQueue } from '../link/report-queue.ts';
import type { ServerLink } from '../link/server-link.ts';
import { type StartGroup, startGroups } from '../link/start-groups.ts';
import type { OutOfService } from '../local/out-of-service.ts';
import type { HeldJob } from '../local-api/job-records.ts';
import type { Slots } from '../slots.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { AttemptRunner } from './attempt-runner.ts';
import type { AttemptJournal } from './attempt-state.ts';
import type { JournalKeeper } from './journal-keeper.ts';
import { keepOutOfService } from './left-processes.ts';

export interface HeldAttemptsOptions {
  readonly agent: ResolvedAgentOptions;
  readonly link: ServerLink;
  readonly reports: ReportQueue;
  readonly slots: Slots;
  readonly telemetry: Telemetry;
  readonly leases: Leases;
  readonly guard: LeaseGuard;
  readonly outOfService: OutOfService;
  readonly keeper: JournalKeeper;
  readonly stopped: AbortSignal;
}

/** With more of them than this the agent asks for no work. */
const MAX_WITHOUT_SLOT = 256;

/** All attempts of the agent, from their claim to their acknowledged report. */
export class HeldAttempts {
  readonly #options: HeldAttemptsOptions;
  readonly #runners = new Map<string, AttemptRunner>();
  readonly #tokens = new Map<string, string>();
  /** Claimed by an earlier agent but never started: wait until the server confirms that they are still ours. */
  readonly #unconfirmed = new Map<string, LeftAttempt>();
  readonly #work = new Set<Promise<void>>();
  #home: AgentHome | undefined;
  #onReported: (() => void)[] = [];

  constructor(options: HeldAttemptsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#runners.size + this.#unconfirmed.size;
  }

  /** Those that an earlier agent claimed and never started are nobody's until the server has confirmed them. */
  get confirmed(): number {
    return this.#runners.size;
  }

  /** Some program runs, or is about to. */
  get isAtWork(): boolean {
    return [...this.#runners.values()].some(({ hasEnded }) => !hasEnded);
  }

  /**
   * Undefined when so few hold no slot that more work may be asked for, else resolves when that is so or the agent
   * stops. Most of them wait for their end to be taken: while these pile up, more work would only make the server
   * slower.
   */
  roomy(): Promise<void> | undefined {
    return this.#isCrowded ? this.#untilRoomy() : undefined;
  }

  async #untilRoomy(): Promise<void> {
    while (this.#isCrowded) await new Promise<void>((resolve) => this.#onReported.push(resolve));
  }

  get #isCrowded(): boolean {
    const { slots, stopped } = this.#options;
    return this.#runners.size - slots.used > MAX_WITHOUT_SLOT && !stopped.aborted;
  }

  get list(): readonly (HeldAttempt & { readonly pid: number | undefined })[] {
    const held = [...this.#runners.values()].map((runner) => ({ ...runner.held(), pid: runner.pid }));
    for (const { spec } of this.#unconfirmed.values()) {
      held.push({ attemptId: spec.attemptId, epoch: spec.epoch, cancelling: false, pid: undefined });
    }
    return held;
  }

  /** With the jobs that they are of. */
  get jobs(): readonly HeldJob[] {
    return [...this.#runners.values()].map((runner) => {
      const { attemptId, epoch, runId } = runner.spec;
      const isPaused = runner.held().pausing !== undefined;
      return { attemptId, epoch, runId, pid: runner.pid, token: this.#tokens.get(attemptId) ?? '', isPaused };
    });
  }

  /** As the protocol wants it. */
  get reported(): HeldAttempt[] {
    return this.list.map(({ pid: _, ...held }) => held);
  }

  /** Follows what an earlier agent started and had not reported. */
  async adopt(home: AgentHome): Promise<void> {
    this.#home = home;
    const { agent, leases, link } = this.#options;
    const lastContactMs = leaseNowMs() - (await home.sinceContactMs());
    for (const left of await home.unreportedAttempts()) {
      const { spec, files, journal } = left;
      const running = await agent.executors.get(spec.executor)?.adopt(files, spec);
      if (journal.state.phase !== 'held') {
        await this.#keepLeft(left, running);
        continue;
      }
      await link.tokens.renew(spec, journal);
      if (running === undefined && journal.state.startError === null) {
        this.#unconfirmed.set(spec.attemptId, left);
        continue;
      }
      agent.log.info({ attemptId: spec.attemptId, alive: running?.alive() ?? false }, 'adopted');
      leases.renew(spec.attemptId, lastContactMs, link.leaseMs);
      this.#run(left, running);
    }
    this.#options.guard.watch(this.#guarded);
  }

  /**
   * Takes assignments in the order of the server. Those that are held already are repeats: nothing changes. Those
   * whose answer has waited for so long that they may be somebody else's by now are left to the server.
   */
  async take(assignments: readonly Assignment[], askedAtMs: number): Promise<void> {
    const accepted = await Promise.all(assignments.map((assignment) => this.#accept(assignment, askedAtMs)));
    const groups = startGroups(accepted.flatMap((left) => (left === undefined ? [] : [left.spec])));
    for (const left of accepted) {
      if (left !== undefined) this.#run(left, undefined, groups.get(left.spec.attemptId));
    }
    this.#options.guard.watch(this.#guarded);
  }

  obey(commands: readonly AgentCommand[]): void {
    for (const { attemptId, epoch, action, mode, update } of commands) {
      const left = this.#unconfirmed.get(attemptId);
      if (left !== undefined && left.spec.epoch === epoch) this.#confirm(left);
      const runner = this.#runners.get(attemptId);
      if (runner === undefined || runner.spec.epoch !== epoch) continue;
      if (action === 'cancel') runner.cancel();
      else if (action === 'pause') runner.pause(mode ?? 'auto');
      else if (action === 'resume') runner.pause(null);
      else if (action === 'update_params') runner.updateParams(update);
      else runner.discard();
    }
  }

  /** The server has answered a heartbeat that named all held attempts. */
  renew(renewed: readonly string[], sentAtMs: number, leaseMs: number): void {
    for (const id of renewed) this.#options.leases.renew(id, sentAtMs, leaseMs);
    this.#options.guard.watch(this.#guarded);
    const ours = new Set(renewed);
    const groups = startGroups([...this.#unconfirmed.values()].map(({ spec }) => spec));
    for (const [id, left] of this.#unconfirmed) {
      this.#confirm(left, groups.get(id));
      if (!ours.has(id)) this.#runners.get(id)?.discard();
    }
  }

  /** Nobody else can have got the work meanwhile. */
  renewAll(sentAtMs: number, leaseMs: number): void {
    for (const id of this.#runners.keys()) this.#options.leases.renew(id, sentAtMs, leaseMs);
    this.#options.guard.watch(this.#guarded);
  }

  /** Ends programs whose lease ran out, before the server may start the next attempt. */
  endOverdue(nowMs: number): void {
    const { leases } = this.#options;
    for (const [id, runner] of this.#runners) {
      const { graceMs } = runner.spec;
      if (leases.mustEnd(id, graceMs, nowMs)) runner.endForPartition(leases.partitionGraceMs(graceMs));
    }
  }

  /** Ends jobs that another agent is to take over. */
  preempt({ isPausedOnly }: { readonly isPausedOnly: boolean }): void {
    for (const runner of this.#runners.values()) if (!isPausedOnly || runner.isPaused) runner.preempt();
  }

  /** Resolves when, after a stop of the agent, nothing is at work any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#work);
  }

  async #accept({ spec, token, leaseMs }: Assignment, askedAtMs: number): Promise<LeftAttempt | undefined> {
    const home = this.#home;
    if (home === undefined || this.#runners.has(spec.attemptId) || this.#unconfirmed.has(spec.attemptId))
      return;
    const { leases, agent } = this.#options;
    leases.renew(spec.attemptId, askedAtMs, leaseMs);
    if (leases.mustEnd(spec.attemptId, spec.graceMs, leaseNowMs())) {
      leases.forget(spec.attemptId);
      agent.log.warn({ attemptId: spec.attemptId }, 'the answer to a claim came too late: not started');
      return;
    }
    const usesAttemptDir = agent.executors.get(spec.executor)?.usesAttemptDir ?? false;
    if (!usesAttemptDir) return home.rememberAttempt(spec, token);
    try {
      return await home.createAttempt(spec, token);
    } catch (error) {
      // Disk full or not writable: the attempt fails with that reason instead of being lost.
      const left = home.rememberAttempt(spec, token);
      const message = `the agent cannot write to ${left.files.dir}: ${String(error)}`;
      await left.journal.update({ startError: { code: 'start_failed', message } });
      return left;
    }
  }

  /** It is reported, but an earlier agent could not end all its processes. */
  async #keepLeft({ spec, files, journal }: LeftAttempt, running: RunningAttempt | undefined): Promise<void> {
    const { agent, slots, outOfService } = this.#options;
    const { attemptId } = spec;
    const onGone = async () => this.#home?.releaseAttempt(attemptId);
    if (running === undefined) {
      await onGone();
      return;
    }
    const executor = agent.executors.get(spec.executor);
    const ended = { attemptId, executor, running, files, journal, env: agent.env, outOfService, onGone };
    const reservation = slots.occupy(laneOf(agent.lanes, spec.queue), journal.state.gpuIds);
    await keepOutOfService(ended, journal.state.left ?? '', reservation);
  }

  /** For whoever has to end programs if this process does not. */
  readonly #guarded = (): GuardedAttempt[] => {
    const { agent, leases } = this.#options;
    return [...this.#runners].flatMap(([attemptId, { spec }]) => {
      const untilMs = leases.guardedUntilMs(attemptId);
      const isLocal = agent.executors.get(spec.executor)?.isLocal === true;
      return untilMs === undefined || !isLocal ? [] : [{ attemptId, untilMs }];
    });
  };

  #confirm(left: LeftAttempt, group?: StartGroup): void {
    this.#unconfirmed.delete(left.spec.attemptId);
    this.#run(left, undefined, group);
  }

  #run({ spec, files, journal }: LeftAttempt, adopted: RunningAttempt | undefined, group?: StartGroup): void {
    const { agent, link, reports, keeper, slots, telemetry, leases, guard, outOfService, stopped } =
      this.#options;
    const { attemptId } = spec;
    const runner = new AttemptRunner({
      spec,
      files,
      journal,
      adopted,
      group,
      executor: agent.executors.get(spec.executor),
      slots,
      lane: laneOf(agent.lanes, spec.queue),
      telemetry,
      gpus: agent.gpuIds.length,
      env: agent.env,
      client: link.client,
      contact: link.contact,
      reports,
      keeper,
      outOfService,
      onGone: () => this.#forgetOnDisk(journal, attemptId),
      isOverdue: () => leases.mustEnd(attemptId, spec.graceMs, leaseNowMs()),
      flushDeadlineMs: agent.timing.flushDeadlineMs,
      log: agent.log,
      stopped,
    });
    this.#runners.set(attemptId, runner);
    this.#tokens.set(attemptId, journal.token);
    const work = runner
      .run()
      .then(() => this.#forgetOnDisk(journal, attemptId))
      .catch((error: unknown) => {
        if (!stopped.aborted) agent.log.error({ attemptId, error: String(error) }, 'an attempt broke off');
      })
      .finally(() => {
        this.#runners.delete(attemptId);
        this.#tokens.delete(attemptId);
        leases.forget(attemptId);
        guard.watch(this.#guarded);
        this.#work.delete(work);
        for (const resolve of this.#onReported.splice(0)) resolve();
      });
    this.#work.add(work);
  }

  /** No later agent has to look at it, once it is reported and nothing of it is left. */
  async #forgetOnDisk({ isOnDisk, state }: AttemptJournal, attemptId: string): Promise<void> {
    if (isOnDisk && state.phase !== 'held' && state.left === null)
      await this.#home?.releaseAttempt(attemptId);
  }
}
