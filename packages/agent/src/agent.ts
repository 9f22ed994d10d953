import type { HeldAttempt } from '@trainyard/protocol';
import { AgentHome } from './agent-home.ts';
import type { AgentLane } from './agent-lanes.ts';
import { type AgentOptions, type ResolvedAgentOptions, resolveAgentOptions } from './agent-options.ts';
import { AttemptDirectories } from './attempt/attempt-directories.ts';
import { HeldAttempts } from './attempt/held-attempts.ts';
import { JournalKeeper } from './attempt/journal-keeper.ts';
import { LeaseGuard } from './guard/lease-guard.ts';
import { pause, withJitter } from './link/backoff.ts';
import { ClaimLoop } from './link/claim-loop.ts';
import { leaseNowMs } from './link/lease-clock.ts';
import { Leases } from './link/leases.ts';
import { ReportQueue } from './link/report-queue.ts';
import { ServerLink } from './link/server-link.ts';
import { removeLeftCgroups } from './local/cgroup.ts';
import { OutOfService } from './local/out-of-service.ts';
import { LocalApi, type LocalApiAgent } from './local-api/local-api.ts';
import { Slots } from './slots.ts';
import { localMachine } from './telemetry/machine-source.ts';
import { Telemetry } from './telemetry/telemetry.ts';

/** The process on a machine that runs jobs. */
export interface Agent {
  /** Id that the server gave; `undefined` before the first registration. */
  readonly id: string | undefined;
  /** Address of its own routes; `undefined` where there are none. */
  readonly apiUrl: string | undefined;
  /** Attempts from their claim to their acknowledged report. `pid` is there while the program runs. */
  readonly held: readonly (HeldAttempt & { readonly pid: number | undefined })[];
  /**
   * Adopts what an earlier agent left running, registers and claims work. Resolves when registered; waits
   * for the server as long as it takes. @throws TrainyardError DATA_DIR_IN_USE; UNAUTHENTICATED, FORBIDDEN or
   * INVALID_REQUEST when the server refuses an agent that none has taken before
   */
  start(): Promise<void>;
  /**
   * Takes no new work; resolves when all that it holds is reported, or has ended while the server is away for
   * longer than a lease. A job that is paused would never end: it is ended, and goes on elsewhere.
   */
  drain(): Promise<void>;
  /** Resolves when the server has asked it to drain and it has. */
  readonly drained: Promise<void>;
  /** Ends all jobs with their grace time; the server hands them out again. */
  preempt(): void;
  /** Stops claiming and reporting. Programs go on: the next agent in this data directory adopts them. */
  stop(): Promise<void>;
}

/** @throws TrainyardError USAGE when an option cannot be used */
export function createAgent(options: AgentOptions): Agent {
  return new LocalAgent(resolveAgentOptions(options));
}

class LocalAgent implements Agent {
  readonly #options: ResolvedAgentOptions;
  readonly #stopped = new AbortController();
  readonly #link: ServerLink;
  readonly #slots: Slots;
  readonly #keeper: JournalKeeper;
  readonly #telemetry: Telemetry;
  readonly #directories: AttemptDirectories;
  readonly #attempts: HeldAttempts;
  readonly #guard: LeaseGuard;
  readonly #outOfService: OutOfService;
  readonly #claims: readonly ClaimLoop[];
  readonly #api: LocalApi | undefined;
  readonly #loops: Promise<void>[] = [];
  #home: AgentHome | undefined;
  #draining = false;
  #preempting = false;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: ResolvedAgentOptions) {
    this.#options = options;
    const { dataDir, env, lanes, log, timing } = options;
    const stopped = this.#stopped.signal;
    this.#link = new ServerLink({
      agent: options,
      stopped,
      onSafe: (sentAtMs, leaseMs) => this.#attempts.renewAll(sentAtMs, leaseMs),
    });
    this.#keeper = new JournalKeeper({ dir: options.dataDir, limits: options.limits, log });
    this.#slots = new Slots({
      lanes: lanes.map(({ slots }) => slots),
      gpuIds: options.gpuIds,
      onFree: () => {
        for (const claims of this.#claims) claims.capacityChanged();
      },
    });
    const source = options.machine ?? localMachine(dataDir, env);
    this.#telemetry = new Telemetry({ source, everyMs: timing.telemetryMs, log });
    this.#outOfService = new OutOfService({ log, everyMs: timing.leftLookMs, stopped });
    this.#guard = new LeaseGuard({
      ...{ dataDir, url: options.url, lostGraceMs: timing.lostGraceMs, log },
      leaseMs: () => this.#link.leaseMs,
      isNeeded:
        !options.isBesideServer && [...options.executors.values()].some(({ isLocal }) => isLocal === true),
    });
    this.#directories = new AttemptDirectories({
      ...options,
      client: this.#link.client,
      agentId: () => this.#link.id,
    });
    this.#attempts = new HeldAttempts({
      agent: options,
      link: this.#link,
      reports: new ReportQueue({
        client: this.#link.client,
        contact: this.#link.contact,
        tokens: this.#link.tokens,
        log,
        signal: stopped,
      }),
      slots: this.#slots,
      telemetry: this.#telemetry,
      leases: new Leases({ lostGraceMs: timing.lostGraceMs, isEnforced: !options.isBesideServer }),
      guard: this.#guard,
      outOfService: this.#outOfService,
      keeper: this.#keeper,
      stopped,
    });
    this.#claims = lanes.map((lane, at) => this.#newClaims(lane, at));
    this.#api = options.api === undefined ? undefined : new LocalApi(this.#forApi(), options.api);
  }

  /** Each lane asks for itself: a call that waits for one kind of work must not hold up another. */
  #newClaims({ queues }: AgentLane, lane: number): ClaimLoop {
    return new ClaimLoop({
      claim: (body, signal) => this.#link.client.claim(this.#link.id ?? '', body, signal),
      ready: () => this.#attempts.roomy(),
      queues: this.#options.lanes.length === 1 ? undefined : queues,
      capacity: () => ({
        free: this.#draining ? 0 : this.#slots.free(lane),
        freeGpus: this.#slots.freeGpus,
      }),
      held: () => this.#attempts.reported,
      otherRequests: () => this.#claims.flatMap((other, at) => (at === lane ? [] : [other.requestId])),
      onWork: async ({ assignments, commands }, askedAtMs) => {
        await this.#attempts.take(assignments, askedAtMs);
        this.#attempts.obey(commands);
      },
      onFailure: (error) => this.#link.noteFailure('claim', error),
      waitMs: this.#options.timing.claimWaitMs,
      backoff: this.#link.newBackoff(),
    });
  }

  get apiUrl(): string | undefined {
    return this.#api?.address;
  }

  get id(): string | undefined {
    return this.#link.id;
  }

  get held(): Agent['held'] {
    return this.#attempts.list;
  }

  async start(): Promise<void> {
    const home = await AgentHome.open(this.#options);
    this.#home = home;
    try {
      await this.#link.recall(home);
      await this.#attempts.adopt(home);
      await removeLeftCgroups((attemptId) => home.isOver(attemptId));
      await this.#api?.listen();
      this.#loops.push(
        this.#watchLeases(),
        this.#keeper.run(this.#stopped.signal),
        this.#telemetry.run(this.#stopped.signal),
        this.#directories.run(this.#stopped.signal),
      );
      await this.#link.register();
      const { signal } = this.#stopped;
      this.#loops.push(
        this.#link.renewTokens(),
        this.#heartbeats(),
        ...this.#claims.map((claims) => claims.run(signal)),
      );
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#attempts.preempt({ isPausedOnly: true });
    this.#options.log.info({ held: this.#attempts.size }, 'draining');
    // A call that goes to nobody brings nothing, and would only be waited for.
    const mayBring = this.#link.isRegistered && this.#link.contact.awayMs === 0;
    if (mayBring)
      await Promise.all([this.#link.tellDraining(), ...this.#claims.map((claims) => claims.settle())]);
    while (!this.#isDrained && !this.#stopped.signal.aborted) {
      // One may be paused while it drains.
      this.#attempts.preempt({ isPausedOnly: true });
      await pause(DRAIN_POLL_MS, this.#stopped.signal).catch(() => undefined);
    }
  }

  /** Where the server is away for longer than a lease, the next agent in this directory reports what has ended. */
  get #isDrained(): boolean {
    const { isRegistered, contact, leaseMs } = this.#link;
    const { size, confirmed, isAtWork } = this.#attempts;
    if (size === 0 || (confirmed === 0 && !isRegistered)) return true;
    return !isAtWork && contact.awayMs > (this.#preempting ? 0 : leaseMs);
  }

  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  preempt(): void {
    this.#preempting = true;
    this.#attempts.preempt({ isPausedOnly: false });
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#api?.close();
    for (const executor of this.#options.executors.values()) await executor.close?.();
    await Promise.allSettled([...this.#loops, this.#attempts.settled(), this.#outOfService.settled()]);
    await this.#guard.stop();
    await this.#home?.close();
    this.#home = undefined;
  }

  #forApi(): LocalApiAgent {
    const { url, dataDir, lanes, log } = this.#options;
    // What it is given directly is in no queue; it takes the slots of the first lane.
    const { slots } = lanes[0]!;
    return {
      ...{ url, dataDir, slots, log, stopped: this.#stopped.signal },
      agentId: () => this.#link.id,
      gpus: () => this.#telemetry.latest?.gpus ?? [],
      held: () => this.#attempts.jobs,
      tokenReady: async ({ attemptId }) => this.#link.tokens.ready(attemptId),
      take: async (assignment) => {
        await this.#attempts.take([assignment], leaseNowMs());
        // The call that waits at the server does not name it yet, so no command for it would come.
        for (const claims of this.#claims) void claims.settle();
      },
      askReleased: (ids, signal) => this.#link.client.releasedJobs(this.#link.id ?? '', ids, signal),
      steerReleased: (attemptId, action) =>
        this.#link.client.steerReleased(this.#link.id ?? '', attemptId, action, this.#stopped.signal),
      cancel: ({ attemptId, epoch }) => this.#attempts.obey([{ attemptId, epoch, action: 'cancel' }]),
    };
  }

  /** Renews the leases, whatever claims, reports and jobs are busy with. */
  async #heartbeats(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const sentAtMs = leaseNowMs();
      const answer = await this.#link.heartbeat({
        held: this.#attempts.reported,
        telemetry: this.#telemetry.latest,
        outOfService: this.#outOfService.list,
      });
      if (answer !== undefined) {
        // Commands first: what they discard must not be started by the renewal.
        this.#attempts.obey(answer.commands);
        this.#attempts.renew(answer.renewed, sentAtMs, answer.leaseMs);
        if (answer.draining === true && !this.#draining) void this.drain().then(this.#drained.resolve);
      }
      await this.#untilNextHeartbeat(answer !== undefined).catch(() => undefined);
    }
  }

  /** Sooner while the server is away: the heartbeat is what finds out that it is back. */
  async #untilNextHeartbeat(isThere: boolean): Promise<void> {
    const { heartbeatMs, contact } = this.#link;
    const { signal } = this.#stopped;
    const isLost = !isThere || (await contact.lostWithin(withJitter(heartbeatMs, 0.1), signal));
    if (isLost) await pause(withJitter(Math.min(heartbeatMs, HEARTBEAT_RETRY_MS), 0.1), signal);
  }

  async #watchLeases(): Promise<void> {
    const { signal } = this.#stopped;
    const everyMs = Math.min(1000, this.#options.timing.lostGraceMs / 20);
    while (!signal.aborted) {
      await pause(everyMs, signal).catch(() => undefined);
      if (!signal.aborted && this.#link.contactTried) this.#attempts.endOverdue(leaseNowMs());
    }
  }
}

const HEARTBEAT_RETRY_MS = 2000;
const DRAIN_POLL_MS = 50;
