import { hostname } from 'node:os';
import { type AgentClient, createAgentClient, isServerDown } from '@trainyard/client';
import {
  AGENT_PROTOCOL,
  type AgentCommand,
  type Assignment,
  type ClaimedWork,
  type HeldAttempt,
  type RegisteredAgent,
  TrainyardError,
  VERSION,
} from '@trainyard/protocol';
import { AgentHome, type LeftAttempt } from './agent-home.ts';
import { type AgentOptions, type ResolvedAgentOptions, resolveAgentOptions } from './agent-options.ts';
import { AttemptRunner } from './attempt-runner.ts';
import { Backoff, pause, withJitter } from './backoff.ts';
import { ClaimLoop } from './claim-loop.ts';
import type { RunningAttempt } from './executor.ts';
import { Leases } from './leases.ts';
import { readBootId } from './process-identity.ts';
import { ReportQueue } from './report-queue.ts';
import { Slots } from './slots.ts';

/** The process on a machine that runs jobs. */
export interface Agent {
  /** Id that the server gave; `undefined` before the first registration. */
  readonly id: string | undefined;
  /** Attempts from their claim to their acknowledged report. `pid` is there while the program runs. */
  readonly held: readonly (HeldAttempt & { readonly pid: number | undefined })[];
  /**
   * Adopts what an earlier agent left running, registers and claims work. Resolves when registered; waits
   * for the server as long as it takes. @throws TrainyardError DATA_DIR_IN_USE
   */
  start(): Promise<void>;
  /** Takes no new work; resolves when all that it holds is reported. */
  drain(): Promise<void>;
  /** Stops claiming and reporting. Programs go on: the next agent in this data directory adopts them. */
  stop(): Promise<void>;
}

/** @throws TrainyardError USAGE when an option cannot be used */
export function createAgent(options: AgentOptions): Agent {
  return new LocalAgent(resolveAgentOptions(options));
}

class LocalAgent implements Agent {
  readonly #options: ResolvedAgentOptions;
  readonly #client: AgentClient;
  readonly #stopped = new AbortController();
  readonly #reports: ReportQueue;
  readonly #slots: Slots;
  readonly #leases: Leases;
  readonly #claims: ClaimLoop;
  readonly #runners = new Map<string, AttemptRunner>();
  /** Claimed by an earlier agent but never started: wait until the server confirms that they are still ours. */
  readonly #unconfirmed = new Map<string, LeftAttempt>();
  readonly #work = new Set<Promise<unknown>>();
  #home: AgentHome | undefined;
  #id: string | undefined;
  #database: 'embedded' | 'external' = 'external';
  #leaseMs = 0;
  #heartbeatMs = 0;
  /** True once a call has told whether the server can be reached; before that no lease is judged. */
  #contactTried = false;
  #draining = false;
  #registering: Promise<void> | undefined;

  constructor(options: ResolvedAgentOptions) {
    this.#options = options;
    const { url, token, timing, log, slots } = options;
    this.#client = createAgentClient({ url, token, timeoutMs: timing.requestTimeoutMs });
    this.#reports = new ReportQueue({ client: this.#client, log, signal: this.#stopped.signal });
    this.#leases = new Leases({ lostGraceMs: timing.lostGraceMs });
    this.#slots = new Slots({ slots, gpuIds: gpuIds(options), onFree: () => this.#claims.capacityChanged() });
    this.#claims = new ClaimLoop({
      claim: (body, signal) => this.#client.claim(this.#id ?? '', body, signal),
      capacity: () => ({ free: this.#draining ? 0 : this.#slots.free, freeGpus: this.#slots.freeGpus }),
      held: () => this.#heldAttempts(),
      onWork: (work) => this.#takeWork(work),
      onFailure: (error) => this.#noteFailedCall('claim', error),
      waitMs: timing.claimWaitMs,
      backoff: this.#newBackoff(),
    });
  }

  get id(): string | undefined {
    return this.#id;
  }

  get held(): readonly (HeldAttempt & { readonly pid: number | undefined })[] {
    return [...this.#runners.values()].map((runner) => ({ ...runner.held(), pid: runner.pid }));
  }

  async start(): Promise<void> {
    const { dataDir } = this.#options;
    const home = await AgentHome.open(dataDir);
    this.#home = home;
    try {
      const known = await home.readAgentFile();
      this.#id = known?.agentId;
      this.#database = known?.database ?? 'external';
      await this.#adoptLeft(home);
      this.#spawn(this.#watchLeases());
      await this.#register();
      this.#spawn(this.#heartbeats());
      this.#spawn(this.#claims.run(this.#stopped.signal));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#options.log.info({ held: this.#runners.size }, 'draining');
    while (this.#runners.size + this.#unconfirmed.size > 0 && !this.#stopped.signal.aborted) {
      await pause(DRAIN_POLL_MS, this.#stopped.signal).catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.allSettled(this.#work);
    await this.#home?.close();
    this.#home = undefined;
  }

  /** Registers, or does so again when the server does not know this agent any more. Tries without limit. */
  #register(): Promise<void> {
    this.#registering ??= this.#registerNow().finally(() => {
      this.#registering = undefined;
    });
    return this.#registering;
  }

  async #registerNow(): Promise<void> {
    const { log } = this.#options;
    const backoff = this.#newBackoff();
    for (;;) {
      const sentAtMs = performance.now();
      try {
        const answer = await this.#client.register(this.#registration(), this.#stopped.signal);
        await this.#noteRegistered(answer);
        return;
      } catch (error) {
        this.#stopped.signal.throwIfAborted();
        this.#noteUnreachable(error, sentAtMs);
        log.warn({ error: messageOf(error) }, 'cannot register with the server; trying again');
        await backoff.wait(this.#stopped.signal);
      }
    }
  }

  #registration() {
    const { name, slots, gpus, queues, labels } = this.#options;
    return {
      ...(this.#id === undefined ? {} : { agentId: this.#id }),
      name,
      hostname: hostname(),
      version: VERSION,
      bootId: readBootId(),
      slots,
      gpus,
      queues: [...queues],
      labels: { ...labels },
    };
  }

  async #noteRegistered(answer: RegisteredAgent): Promise<void> {
    this.#leaseMs = answer.leaseMs;
    this.#heartbeatMs = answer.heartbeatMs;
    this.#id = answer.agentId;
    const info = await this.#client.info(this.#stopped.signal).catch(() => undefined);
    if (info !== undefined) this.#database = info.database;
    await this.#home?.writeAgentFile({ agentId: answer.agentId, database: this.#database });
    this.#options.log.info({ agentId: answer.agentId, url: this.#client.url }, 'registered');
  }

  /** What an earlier agent held: programs that it started are followed at once. */
  async #adoptLeft(home: AgentHome): Promise<void> {
    const lastContactMs = performance.now() - (await home.sinceContactMs());
    for (const left of await home.unreportedAttempts()) {
      const { spec, files, journal } = left;
      const executor = this.#options.executors.get(spec.executor);
      const running = await executor?.adopt(files, spec);
      if (running === undefined && journal.state.startError === null) {
        this.#unconfirmed.set(spec.attemptId, left);
        continue;
      }
      this.#options.log.info({ attemptId: spec.attemptId, alive: running?.alive() ?? false }, 'adopted');
      this.#leases.renew(spec.attemptId, lastContactMs, DEFAULT_LEASE_MS);
      this.#run(left, running);
    }
  }

  async #takeWork(work: ClaimedWork): Promise<void> {
    const receivedAtMs = performance.now();
    await Promise.all(work.assignments.map((assignment) => this.#accept(assignment, receivedAtMs)));
    this.#obey(work.commands);
  }

  /** The attempt counts as held from the moment when this resolves. A repeat of a held one changes nothing. */
  async #accept({ spec, token, leaseMs }: Assignment, receivedAtMs: number): Promise<void> {
    const home = this.#home;
    if (home === undefined || this.#runners.has(spec.attemptId) || this.#unconfirmed.has(spec.attemptId))
      return;
    this.#leases.renew(spec.attemptId, receivedAtMs, leaseMs);
    const usesAttemptDir = this.#options.executors.get(spec.executor)?.usesAttemptDir ?? false;
    if (!usesAttemptDir) {
      this.#run(home.rememberAttempt(spec, token), undefined);
      return;
    }
    try {
      this.#run(await home.createAttempt(spec, token), undefined);
    } catch (error) {
      // Disk full or not writable: the attempt fails with that reason instead of being lost.
      const left = home.rememberAttempt(spec, token);
      const message = `the agent cannot write to ${left.files.dir}: ${messageOf(error)}`;
      await left.journal.update({ startError: { code: 'start_failed', message } });
      this.#run(left, undefined);
    }
  }

  #run({ spec, files, journal }: LeftAttempt, adopted: RunningAttempt | undefined): void {
    const { executors, gpus, env, log } = this.#options;
    const runner = new AttemptRunner({
      spec,
      files,
      journal,
      adopted,
      executor: executors.get(spec.executor),
      slots: this.#slots,
      gpus,
      env,
      client: this.#client,
      reports: this.#reports,
      log,
      stopped: this.#stopped.signal,
    });
    this.#runners.set(spec.attemptId, runner);
    this.#spawn(
      runner
        .run()
        .catch((error: unknown) => {
          if (!this.#stopped.signal.aborted)
            log.error({ attemptId: spec.attemptId, error }, 'an attempt broke off');
        })
        .finally(() => {
          this.#runners.delete(spec.attemptId);
          this.#leases.forget(spec.attemptId);
        }),
    );
  }

  #obey(commands: readonly AgentCommand[]): void {
    for (const { attemptId, epoch, action } of commands) {
      const left = this.#unconfirmed.get(attemptId);
      if (left !== undefined && left.spec.epoch === epoch) this.#confirm(left, action);
      const runner = this.#runners.get(attemptId);
      if (runner === undefined || runner.spec.epoch !== epoch) continue;
      if (action === 'cancel') runner.cancel();
      else runner.discard();
    }
  }

  async #heartbeats(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const ok = await this.#beat();
      const waitMs = ok ? this.#heartbeatMs : Math.min(this.#heartbeatMs, HEARTBEAT_RETRY_MS);
      await pause(withJitter(waitMs, 0.1), signal).catch(() => undefined);
    }
  }

  /** One renewal of all leases. */
  async #beat(): Promise<boolean> {
    const sentAtMs = performance.now();
    try {
      const answer = await this.#client.heartbeat(this.#id ?? '', this.#heldAttempts(), this.#stopped.signal);
      this.#leaseMs = answer.leaseMs;
      for (const id of answer.renewed) this.#leases.renew(id, sentAtMs, answer.leaseMs);
      this.#contactTried = true;
      this.#obey(answer.commands);
      const renewed = new Set(answer.renewed);
      for (const [id, left] of this.#unconfirmed) this.#confirm(left, renewed.has(id) ? 'run' : 'discard');
      await this.#home?.noteContact();
      return true;
    } catch (error) {
      if (this.#stopped.signal.aborted) return false;
      this.#noteUnreachable(error, sentAtMs);
      this.#noteFailedCall('heartbeat', error);
      return false;
    }
  }

  #confirm(left: LeftAttempt, action: 'run' | 'cancel' | 'discard'): void {
    this.#unconfirmed.delete(left.spec.attemptId);
    this.#run(left, undefined);
    const runner = this.#runners.get(left.spec.attemptId);
    if (action === 'discard') runner?.discard();
    if (action === 'cancel') runner?.cancel();
  }

  /** Ends programs whose lease ran out, before the server may start the next attempt. */
  async #watchLeases(): Promise<void> {
    const { signal } = this.#stopped;
    const everyMs = Math.min(1000, this.#options.timing.lostGraceMs / 20);
    while (!signal.aborted) {
      await pause(everyMs, signal).catch(() => undefined);
      if (signal.aborted || !this.#contactTried) continue;
      const nowMs = performance.now();
      for (const [id, runner] of this.#runners) {
        const { graceMs } = runner.spec;
        if (this.#leases.mustEnd(id, graceMs, nowMs))
          runner.endForPartition(this.#leases.partitionGraceMs(graceMs));
      }
    }
  }

  /**
   * A server with an embedded database has no other beside it. While it is down nobody can give the work to
   * another agent, and when it comes back it grants a full lease: such an answer renews the leases.
   */
  #noteUnreachable(error: unknown, sentAtMs: number): void {
    if (this.#database === 'embedded' && isServerDown(error)) {
      const leaseMs = this.#leaseMs > 0 ? this.#leaseMs : DEFAULT_LEASE_MS;
      for (const id of this.#runners.keys()) this.#leases.renew(id, sentAtMs, leaseMs);
    }
    this.#contactTried = true;
  }

  #noteFailedCall(call: string, error: unknown): void {
    this.#options.log.warn({ call, error: messageOf(error) }, 'the server did not answer as expected');
    const unknownAgent = error instanceof TrainyardError && error.code === 'NOT_FOUND';
    if (unknownAgent) this.#spawn(this.#register().catch(() => undefined));
  }

  #heldAttempts(): HeldAttempt[] {
    const held = [...this.#runners.values()].map((runner) => runner.held());
    for (const { spec } of this.#unconfirmed.values()) {
      held.push({ attemptId: spec.attemptId, epoch: spec.epoch, cancelling: false });
    }
    return held;
  }

  #newBackoff(): Backoff {
    const { retryFirstMs, retryMaxMs } = this.#options.timing;
    return new Backoff({ firstMs: retryFirstMs, maxMs: retryMaxMs });
  }

  #spawn(work: Promise<unknown>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
    tracked.catch(() => undefined);
  }
}

/** Lease that is assumed until the server has told its own. */
const DEFAULT_LEASE_MS = AGENT_PROTOCOL.leaseMs;
const HEARTBEAT_RETRY_MS = 2000;
const DRAIN_POLL_MS = 50;

/** Ids for CUDA_VISIBLE_DEVICES: those that the agent itself is limited to, else 0, 1, 2… */
function gpuIds({ gpus, env }: ResolvedAgentOptions): string[] {
  const visible = (env['CUDA_VISIBLE_DEVICES'] ?? '').split(',').filter((id) => id !== '');
  return Array.from({ length: gpus }, (_, index) => visible[index] ?? String(index));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
