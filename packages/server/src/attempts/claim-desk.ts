import type { AgentCommand, AgentId, ClaimedWork, claimWork, FailurePattern } from '@trainyard/protocol';
import type { z } from 'zod';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import { createClaims } from './claim.ts';
import { type ClaimRequest, type HandedAttempt, laneOf } from './claim-parts.ts';
import type { HandedOut } from './handed-out.ts';
import { commandsFor } from './held-commands.ts';
import type { OpenCalls } from './open-calls.ts';
import { RecentMap } from './recent-map.ts';
import { withServerPatterns } from './server-patterns.ts';
import { waitForWork } from './wait-for-work.ts';

/** Safety net for a claim that missed its wake-up, for example from another server. */
const CLAIM_POLL_MS = 1000;
/** Lanes that are remembered. One that is forgotten is looked up. */
const MAX_LANES = 10_000;

type ClaimCall = z.output<typeof claimWork>;

/** Takes back what the agent never got, now and then. */
type CheckUnheld = (agentId: AgentId, call: ClaimCall, saidAgoMs: number) => Promise<void>;

/** What a look has found: nothing, which stays so until work is announced. */
interface EmptyLook {
  readonly atMs: number;
  readonly announcements: number;
}

/** Answers the agents' calls for work: at once when there is some, else as soon as there is. */
export class ClaimDesk {
  readonly #database: Database;
  readonly #bus: LiveBus;
  readonly #claims;
  readonly #handedOut: HandedOut;
  readonly #openCalls: OpenCalls;
  readonly #checkUnheld: CheckUnheld;
  readonly #failures: readonly FailurePattern[];
  /** The request that was made last, by lane. */
  readonly #requestIds = new RecentMap<string, string>(MAX_LANES);
  /** By lane. */
  readonly #emptyLooks = new RecentMap<string, EmptyLook>(MAX_LANES);
  /** How often work was announced. */
  #announcements = 0;

  constructor(options: {
    readonly database: Database;
    readonly bus: LiveBus;
    readonly handedOut: HandedOut;
    readonly openCalls: OpenCalls;
    readonly checkUnheld: CheckUnheld;
    /** Looked for in all logs, after what an attempt itself says. */
    readonly failures: readonly FailurePattern[];
  }) {
    this.#database = options.database;
    this.#bus = options.bus;
    this.#handedOut = options.handedOut;
    this.#openCalls = options.openCalls;
    this.#checkUnheld = options.checkUnheld;
    this.#failures = options.failures;
    this.#claims = createClaims(options.database.keyedPool, () => this.#bus.emit('groups'));
    this.#bus.on('work', () => {
      this.#announcements += 1;
    });
  }

  /**
   * The agent may have been elsewhere meanwhile, or may take no work any more: its next call looks, and those that
   * wait are given nothing but what a look finds.
   */
  async forget(agentId: AgentId): Promise<void> {
    for (const all of [this.#emptyLooks, this.#requestIds]) {
      for (const lane of all.keys()) if (lane.startsWith(`${agentId} `)) all.delete(lane);
    }
    await this.#openCalls.retireAgent(agentId);
  }

  /** Waits until there is an assignment or a command, at most `waitMs`, or until `signal` aborts. */
  async claim(
    agent: { readonly id: AgentId; readonly queues: readonly string[] },
    call: ClaimCall,
    signal: AbortSignal,
  ): Promise<ClaimedWork> {
    const { requestId, free, freeGpus, held, waitMs } = call;
    const calledAtMs = performance.now();
    const queues = agent.queues.filter((queue) => call.queues?.includes(queue) ?? true);
    const request: ClaimRequest = { agentId: agent.id, queues, requestId, free, freeGpus };
    const lane = laneOf(request);
    const deadlineMs = Date.now() + waitMs;
    await this.#openCalls.retire(lane);
    // A repeat may have been answered before, which only a look tells. Who does not wait wants to know now.
    if (this.#requestIds.get(lane) === requestId || waitMs === 0) this.#emptyLooks.delete(lane);
    this.#requestIds.set(lane, requestId);
    // Who is gone would not learn what was assigned.
    while (!signal.aborted) {
      // Listen before looking, so that nothing that comes in between is missed.
      const wait = waitForWork(this.#bus, signal);
      try {
        if (!signal.aborted) await this.#checkUnheld(agent.id, call, performance.now() - calledAtMs);
        const { handed, commands } = await this.#look(request, held);
        const leftMs = deadlineMs - Date.now();
        if (handed.length > 0 || commands.length > 0 || leftMs <= 0) return this.#answer(handed, commands);
        const leased = await this.#await(request, wait, Math.min(leftMs, CLAIM_POLL_MS));
        if (leased.length > 0) return this.#answer(leased, []);
      } finally {
        wait.end();
      }
    }
    return { assignments: [], commands: [] };
  }

  async #look(
    request: ClaimRequest,
    held: ClaimCall['held'],
  ): Promise<{ handed: readonly HandedAttempt[]; commands: AgentCommand[] }> {
    const lane = laneOf(request);
    if (this.#isKnownEmpty(lane)) return { handed: [], commands: [] };
    const { kysely } = this.#database;
    const look = { atMs: performance.now(), announcements: this.#announcements };
    const commands = await commandsFor(kysely, request.agentId, held);
    const { handed, isQueueEmpty } =
      request.free === 0 ? { handed: [], isQueueEmpty: false } : await this.#claims.claim(request);
    if (handed.length > 0) this.#bus.emit('claimed');
    if (isQueueEmpty && commands.length === 0) this.#emptyLooks.set(lane, look);
    else this.#emptyLooks.delete(lane);
    return { handed, commands };
  }

  /** Waits for work in general and for attempts that are meant for this call. */
  async #await(
    request: ClaimRequest,
    wait: ReturnType<typeof waitForWork>,
    ms: number,
  ): Promise<readonly HandedAttempt[]> {
    const lane = laneOf(request);
    // A newer call of the lane, or the agent itself, may have come in during the look.
    const isNewest = this.#requestIds.get(lane) === request.requestId;
    if (request.free === 0 || !isNewest || !this.#isKnownEmpty(lane)) {
      await wait.atMost(ms);
      return [];
    }
    const call = this.#openCalls.open(request, wait.wake);
    await wait.atMost(ms);
    return call.close();
  }

  #isKnownEmpty(lane: string): boolean {
    const look = this.#emptyLooks.get(lane);
    return (
      look !== undefined &&
      look.announcements === this.#announcements &&
      performance.now() - look.atMs < CLAIM_POLL_MS
    );
  }

  #answer(handed: readonly HandedAttempt[], commands: AgentCommand[]): ClaimedWork {
    this.#handedOut.note(handed);
    const assignments = handed.map(({ assignment }) => ({
      ...assignment,
      spec: withServerPatterns(assignment.spec, this.#failures),
    }));
    return { assignments, commands };
  }
}
