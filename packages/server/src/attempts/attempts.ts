import {
  AGENT_PROTOCOL,
  type AgentId,
  type AgentInfo,
  type AttemptSpec,
  type ClaimedWork,
  type claimWork,
  type FailurePattern,
  type HeartbeatAnswer,
  type HeldAttempt,
  isHeldAttemptStatus,
  isId,
  type MachineTelemetry,
  newId,
  type OutOfServiceSlot,
  type RegisteredAgent,
  type ReportResult,
  type registerAgent,
  TrainyardError,
} from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { z } from 'zod';
import { isTokenOf } from '../auth/secret-token.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { ANY_GPUS } from './any-gpus.ts';
import type { ParsedReport } from './attempt-update.ts';
import { ClaimDesk } from './claim-desk.ts';
import { HandedOut } from './handed-out.ts';
import { commandsFor } from './held-commands.ts';
import { makeJobToken } from './job-token.ts';
import { LeaseJudge, type LeaseLook, renewLeases } from './leases.ts';
import { OpenCalls } from './open-calls.ts';
import { RecentMap } from './recent-map.ts';
import { ReportIntake, type TreeOwner } from './report-intake.ts';
import { takeBackUnheld } from './take-back-unheld.ts';

/** An agent counts as online while it was seen within this time. */
const ONLINE_MS = AGENT_PROTOCOL.heartbeatMs * 2 + 10_000;
/** How often an agent's claims are compared with what is leased to it. */
const UNHELD_CHECK_MS = 5000;

/** An agent that was seen registered is not looked up again for so long. */
const AGENT_KNOWN_MS = 1000;
/** Agents that are remembered. One that is forgotten is looked up. */
const MAX_KNOWN_AGENTS = 10_000;

interface KnownAgent {
  readonly id: AgentId;
  readonly queues: readonly string[];
  readonly isDraining: boolean;
}

export interface AttemptIdentity {
  readonly runId: string;
  readonly rootId: string;
  readonly number: number;
  readonly epoch: number;
}

/** The agents' side of the server: registration, claims, leases and reports. */
export interface Attempts {
  register(request: z.output<typeof registerAgent>): Promise<RegisteredAgent>;
  /** Waits until there is an assignment or a command, at most `waitMs`, or until `signal` aborts. */
  claim(agentId: string, request: z.output<typeof claimWork>, signal: AbortSignal): Promise<ClaimedWork>;
  heartbeat(
    agentId: string,
    held: readonly HeldAttempt[],
    telemetry?: MachineTelemetry,
    outOfService?: readonly OutOfServiceSlot[],
  ): Promise<HeartbeatAnswer>;
  report(reports: readonly ParsedReport[]): Promise<readonly ReportResult[]>;
  /**
   * Checks an attempt's own token.
   * @throws TrainyardError UNAUTHENTICATED, ATTEMPT_FENCED, NOT_FOUND
   */
  authorise(attemptId: string, token: string): Promise<AttemptIdentity>;
  /** A new token for the program of an attempt that asks for one. @throws TrainyardError INVALID_REQUEST */
  makeJobToken(attemptId: string): Promise<string>;
  /** What an attempt was asked to do. */
  specOf(attemptId: string): Promise<AttemptSpec>;
  agents(): Promise<AgentInfo[]>;
  /** From now on it gets no work; it leaves when it has finished. @throws TrainyardError NOT_FOUND */
  drain(agentId: string): Promise<AgentInfo>;
  /** One look at leases that ran out. */
  expireLeases(): Promise<LeaseLook>;
}

export function createAttempts(options: {
  readonly database: Database;
  readonly bus: LiveBus;
  /** Takes reports in at once where it can; without it all of them go through the inbox. */
  readonly owner?: TreeOwner;
  /** Whoever stores new attempts may give them to these. */
  readonly openCalls?: OpenCalls;
  /** Log patterns of the server, for all attempts. */
  readonly failures?: readonly FailurePattern[];
}): Attempts {
  const { database, bus, owner, openCalls = new OpenCalls(), failures = [] } = options;
  const { kysely } = database;
  const judge = new LeaseJudge(kysely);
  const handedOut = new HandedOut();
  const intake = new ReportIntake({ database, bus, handedOut, owner });

  /** Attempts ended without a report: their trees have to know, and what they held is free. */
  const announceEnds = (): void => {
    bus.emit('inbox');
    bus.emit('work');
  };
  const unheldCheckedAtMs = new RecentMap<string, number>(MAX_KNOWN_AGENTS);
  const checkUnheld = async (
    id: AgentId,
    { held, requestId, openRequests = [] }: z.output<typeof claimWork>,
    saidAgoMs: number,
  ): Promise<void> => {
    const now = Date.now();
    if (now - (unheldCheckedAtMs.get(id) ?? 0) < UNHELD_CHECK_MS) return;
    unheldCheckedAtMs.set(id, now);
    const count = await takeBackUnheld(kysely, {
      id,
      heldIds: held.map(({ attemptId }) => attemptId),
      openRequests: [requestId, ...openRequests],
      saidAgoMs,
    });
    if (count > 0) announceEnds();
  };

  const desk = new ClaimDesk({ database, bus, handedOut, openCalls, checkUnheld, failures });

  const knownAgents = new RecentMap<string, { readonly agent: KnownAgent; readonly untilMs: number }>(
    MAX_KNOWN_AGENTS,
  );
  const requireAgent = async (agentId: string): Promise<KnownAgent> => {
    const known = knownAgents.get(agentId);
    if (known !== undefined && performance.now() < known.untilMs) return known.agent;
    const row = isId('agt', agentId)
      ? await kysely
          .selectFrom('agents')
          .select(['id', 'queues', 'draining_since'])
          .where('id', '=', agentId)
          .executeTakeFirst()
      : undefined;
    if (row === undefined) {
      throw new TrainyardError('NOT_FOUND', `There is no agent ${agentId}; it has to register first.`);
    }
    const agent = { id: row.id as AgentId, queues: row.queues, isDraining: row.draining_since !== null };
    knownAgents.set(agentId, { agent, untilMs: performance.now() + AGENT_KNOWN_MS });
    return agent;
  };

  return {
    async register(request) {
      const agentId =
        request.agentId !== undefined && isId('agt', request.agentId) ? request.agentId : newId('agt');
      const values = {
        name: request.name,
        hostname: request.hostname,
        version: request.version,
        boot_id: request.bootId,
        slots: request.slots,
        gpus: request.gpus,
        queues: request.queues,
        labels: JSON.stringify(request.labels),
        last_seen_at: new Date(),
        // Who starts again is there to work.
        draining_since: null,
      };
      await kysely
        .insertInto('agents')
        .values({ id: agentId, ...values })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
        .execute();
      // An agent that starts again may have been cut off in the middle of a claim.
      unheldCheckedAtMs.delete(agentId);
      knownAgents.delete(agentId);
      await desk.forget(agentId);
      return { agentId, leaseMs: AGENT_PROTOCOL.leaseMs, heartbeatMs: AGENT_PROTOCOL.heartbeatMs };
    },

    async claim(agentId, request, signal) {
      const agent = await requireAgent(agentId);
      return desk.claim(agent, request, signal);
    },

    async heartbeat(agentId, held, telemetry, outOfService) {
      const agent = await requireAgent(agentId);
      const renewed = await renewLeases(kysely, agent.id, held, telemetry, outOfService);
      return {
        leaseMs: AGENT_PROTOCOL.leaseMs,
        ...(agent.isDraining && { draining: true }),
        renewed,
        commands: await commandsFor(kysely, agent.id, held),
      };
    },

    report: (reports) => intake.take(reports),

    async authorise(attemptId, token) {
      const row = await kysely
        .selectFrom('attempts')
        .select(['run_id', 'root_id', 'number', 'epoch', 'status', 'token_hash'])
        .where('id', '=', attemptId)
        .executeTakeFirst();
      if (row === undefined) throw new TrainyardError('NOT_FOUND', `There is no attempt ${attemptId}.`);
      if (!isTokenOf(token, row.token_hash)) {
        throw new TrainyardError('UNAUTHENTICATED', `The token does not belong to attempt ${attemptId}.`);
      }
      if (!isHeldAttemptStatus(row.status)) {
        throw new TrainyardError('ATTEMPT_FENCED', `Attempt ${attemptId} is ${row.status}; end its process.`);
      }
      return { runId: row.run_id, rootId: row.root_id, number: row.number, epoch: row.epoch };
    },

    makeJobToken: (attemptId) => makeJobToken(kysely, attemptId),

    async specOf(attemptId) {
      const row = await kysely
        .selectFrom('attempts')
        .select('spec')
        .where('id', '=', attemptId)
        .executeTakeFirstOrThrow();
      return row.spec as AttemptSpec;
    },

    agents: async () => (await readAgents(kysely, null)).map(toAgentInfo),

    async drain(agentId) {
      const { id } = await requireAgent(agentId);
      await sql`
        update agents set draining_since = coalesce(draining_since, now()) where id = ${id}`.execute(kysely);
      knownAgents.delete(agentId);
      // Nothing is given to its calls from then on; those that wait look again.
      await desk.forget(id);
      bus.emit('work');
      return toAgentInfo((await readAgents(kysely, id))[0]!);
    },

    async expireLeases() {
      const look = await judge.look();
      if (look.facts > 0) announceEnds();
      return look;
    },
  };
}

/** Those that were seen last come first; only one of them with `id`. */
async function readAgents(db: Kysely<Schema>, id: string | null): Promise<AgentRow[]> {
  const { rows } = await sql<AgentRow>`
    select a.*, count(t.id)::int as busy from agents a
    left join attempts t on t.agent_id = a.id and t.status in ('leased', 'running', 'paused')
    where ${id}::text is null or a.id = ${id}
    group by a.id order by a.last_seen_at desc limit 500`.execute(db);
  return rows;
}

interface AgentRow {
  id: string;
  name: string;
  hostname: string;
  version: string;
  slots: number;
  gpus: number;
  labels: Record<string, string>;
  telemetry: MachineTelemetry | null;
  out_of_service: OutOfServiceSlot[];
  queues: string[];
  last_seen_at: Date;
  draining_since: Date | null;
  created_at: Date;
  busy: number;
}

function toAgentInfo(row: AgentRow): AgentInfo {
  return {
    id: row.id,
    name: row.name,
    hostname: row.hostname,
    version: row.version,
    slots: row.slots,
    busySlots: row.busy,
    queues: row.queues,
    gpus: !isId('agt', row.id) && row.gpus === ANY_GPUS ? null : row.gpus,
    labels: row.labels,
    telemetry: row.telemetry,
    outOfService: row.out_of_service,
    online: Date.now() - row.last_seen_at.getTime() < ONLINE_MS,
    draining: row.draining_since !== null,
    lastSeenAt: row.last_seen_at.toISOString(),
    createdAt: row.created_at.toISOString(),
  };
}
