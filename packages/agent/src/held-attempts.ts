import type { AgentCommand, Assignment, HeldAttempt } from '@trainyard/protocol';
import type { AgentHome, LeftAttempt } from './agent-home.ts';
import { laneOf } from './agent-lanes.ts';
import type { ResolvedAgentOptions } from './agent-options.ts';
import { AttemptRunner } from './attempt-runner.ts';
import type { RunningAttempt } from './executor.ts';
import type { JournalKeeper } from './journal-keeper.ts';
import type { Leases } from './leases.ts';
import type { HeldJob } from './local-api/job-records.ts';
import type { ReportQueue } from './report-queue.ts';
import type { ServerLink } from './server-link.ts';
import type { Slots } from './slots.ts';
import { type StartGroup, startGroups } from './start-groups.ts';
import type { Telemetry } from './telemetry/telemetry.ts';

export interface HeldAttemptsOptions {
  readonly agent: ResolvedAgentOptions;
  readonly link: ServerLink;
  readonly reports: ReportQueue;
  readonly slots: Slots;
  readonly telemetry: Telemetry;
  readonly leases: Leases;
  readonly keeper: JournalKeeper;
  readonly stopped: AbortSignal;
}

/** All attempts of the agent, from their claim to their acknowledged report. */
export class HeldAttempts {
  readonly #options: HeldAttemptsOptions;
  readonly #runners = new Map<string, AttemptRunner>();
  readonly #tokens = new Map<string, string>();
  /** Claimed by an earlier agent but never started: wait until the server confirms that they are still ours. */
  readonly #unconfirmed = new Map<string, LeftAttempt>();
  readonly #work = new Set<Promise<void>>();
  #home: AgentHome | undefined;

  constructor(options: HeldAttemptsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#runners.size + this.#unconfirmed.size;
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
    const lastContactMs = performance.now() - (await home.sinceContactMs());
    for (const left of await home.unreportedAttempts()) {
      const { spec, files, journal } = left;
      const running = await agent.executors.get(spec.executor)?.adopt(files, spec);
      if (running === undefined && journal.state.startError === null) {
        this.#unconfirmed.set(spec.attemptId, left);
        continue;
      }
      agent.log.info({ attemptId: spec.attemptId, alive: running?.alive() ?? false }, 'adopted');
      leases.renew(spec.attemptId, lastContactMs, link.leaseMs);
      this.#run(left, running);
    }
  }

  /** Takes assignments in the order of the server. Those that are held already are repeats: nothing changes. */
  async take(assignments: readonly Assignment[], receivedAtMs: number): Promise<void> {
    const accepted = await Promise.all(assignments.map((assignment) => this.#accept(assignment)));
    const groups = startGroups(accepted.flatMap((left) => (left === undefined ? [] : [left.spec])));
    for (const [index, left] of accepted.entries()) {
      if (left === undefined) continue;
      const { attemptId } = left.spec;
      this.#options.leases.renew(attemptId, receivedAtMs, assignments[index]!.leaseMs);
      this.#run(left, undefined, groups.get(attemptId));
    }
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

  async #accept({ spec, token }: Assignment): Promise<LeftAttempt | undefined> {
    const home = this.#home;
    if (home === undefined || this.#runners.has(spec.attemptId) || this.#unconfirmed.has(spec.attemptId))
      return;
    const usesAttemptDir = this.#options.agent.executors.get(spec.executor)?.usesAttemptDir ?? false;
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

  #confirm(left: LeftAttempt, group?: StartGroup): void {
    this.#unconfirmed.delete(left.spec.attemptId);
    this.#run(left, undefined, group);
  }

  #run({ spec, files, journal }: LeftAttempt, adopted: RunningAttempt | undefined, group?: StartGroup): void {
    const { agent, link, reports, keeper, slots, telemetry, leases, stopped } = this.#options;
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
      flushDeadlineMs: agent.timing.flushDeadlineMs,
      log: agent.log,
      stopped,
    });
    this.#runners.set(attemptId, runner);
    this.#tokens.set(attemptId, journal.state.token);
    const work = runner
      .run()
      .then(() => (journal.isOnDisk ? this.#home?.releaseAttempt(attemptId) : undefined))
      .catch((error: unknown) => {
        if (!stopped.aborted) agent.log.error({ attemptId, error: String(error) }, 'an attempt broke off');
      })
      .finally(() => {
        this.#runners.delete(attemptId);
        this.#tokens.delete(attemptId);
        leases.forget(attemptId);
        this.#work.delete(work);
      });
    this.#work.add(work);
  }
}
