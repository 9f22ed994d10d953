import { AGENT_PROTOCOL, isId, TrainyardError } from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { Auth } from '../../auth/auth.ts';
import { isOfAttempt, isTokenOf } from '../../auth/secret-token.ts';
import { bearerToken } from '../../routes/route-access.ts';
import type { ServerContext } from '../../server-context.ts';
import { findLocalJob, type LocalAttempt, type LocalJob, renewLease } from './local-jobs.ts';
import { OlderRefusal } from './older-error.ts';

/** A job whose token was shown; `isLate`: it has ended, and only the last lines of its log are still taken. */
export interface ReportingJob {
  readonly job: LocalJob;
  readonly attempt: LocalAttempt;
  readonly token: string;
  readonly isLate: boolean;
  /** It is the token that the program has got from its agent, which reports of it as well. */
  readonly isProgram: boolean;
}

/** A lease that is older is renewed by a report. */
const RENEW_BELOW_MS = AGENT_PROTOCOL.leaseMs - 10_000;

/**
 * The job of a request that carries its token. The token is the attempt's: one of another job, of an attempt
 * that was replaced, or one whose time is over is refused.
 * @throws TrainyardError UNAUTHENTICATED, NOT_FOUND
 */
export async function reportingJob(
  { database }: Pick<ServerContext, 'database'>,
  request: FastifyRequest,
  jobId: string,
): Promise<ReportingJob> {
  const token = bearerToken(request);
  if (token === undefined) {
    throw new TrainyardError(
      'UNAUTHENTICATED',
      `Job ${jobId} needs its token: Authorization: Bearer JOB_TOKEN.`,
    );
  }
  const job = await requireJob(database.kysely, jobId);
  const { attempt } = job;
  const isProgram = isTokenOf(token, attempt?.jobTokenHash ?? null);
  if (attempt === null || !(isProgram || isTokenOf(token, attempt.tokenHash))) {
    throw new TrainyardError('UNAUTHENTICATED', `The token does not belong to job ${jobId}.`);
  }
  const isLate = attempt.endedAt !== null;
  if (attempt.status === 'lost' || (isLate ? attempt.isFlushOver : attempt.isExpired)) {
    const why = isLate ? 'the job has ended' : 'its lease is over';
    throw new TrainyardError('UNAUTHENTICATED', `The token of job ${jobId} is valid no more: ${why}.`);
  }
  // The lease is its agent's: a program that goes on without one must not keep it alive.
  const isToRenew = !isLate && !isProgram && (attempt.leaseLeftMs ?? 0) < RENEW_BELOW_MS;
  if (isToRenew) await renewLease(database.kysely, attempt.id);
  return { job, attempt, token, isLate, isProgram };
}

/** It has no attempt now, because its last one gave the slot back for a pause. */
export function isGivenBack({ status, attempt }: LocalJob): boolean {
  return status === 'paused' && attempt?.status === 'released';
}

export function isOwnAgents({ attempt: { agentId } }: ReportingJob): boolean {
  return agentId !== null && isId('agt', agentId);
}

/** A job of our own agent is reported by the agent, from the files that its program writes, and by the program if it has a token. */
export function requireReporter(reporting: ReportingJob): void {
  if (reporting.isProgram || !isOwnAgents(reporting)) return;
  const { job, attempt } = reporting;
  const message = `Job ${job.runId} is carried out by agent ${attempt.agentId}, which reports what its program writes to its files.`;
  throw new OlderRefusal('INVALID_STATUS', message);
}

/**
 * The job of a request of a person: with an API key of the job's owner, or one that may see all.
 * @throws TrainyardError UNAUTHENTICATED, FORBIDDEN, NOT_FOUND
 */
export async function ownedJob(
  { database, auth }: Pick<ServerContext, 'database' | 'auth'>,
  request: FastifyRequest,
  jobId: string,
): Promise<LocalJob> {
  const limit = await ownerLimit(auth, request);
  const job = await requireJob(database.kysely, jobId);
  if (limit === undefined || job.createdBy === limit) return job;
  throw new TrainyardError('FORBIDDEN', `Job ${jobId} is not of ${limit}.`);
}

/** As `ownedJob`, for routes of access `watch`: the job's own token may read it, too. */
export async function visibleJob(
  context: Pick<ServerContext, 'database' | 'auth'>,
  request: FastifyRequest,
  jobId: string,
): Promise<LocalJob> {
  if (!isOfAttempt(bearerToken(request))) return ownedJob(context, request, jobId);
  return (await reportingJob(context, request, jobId)).job;
}

/** Whose jobs the key of a request is limited to; `undefined`: none, it may work with all. */
export async function ownerLimit(auth: Auth, request: FastifyRequest): Promise<string | undefined> {
  const { scopes, owner, isTrusted } = await auth.holderOf(bearerToken(request));
  if (isTrusted || !scopes.includes('training') || scopes.some((scope) => UNLIMITED.has(scope)))
    return undefined;
  return owner ?? '';
}

const UNLIMITED: ReadonlySet<string> = new Set(['admin', 'user']);

async function requireJob(db: Parameters<typeof findLocalJob>[0], jobId: string): Promise<LocalJob> {
  const job = await findLocalJob(db, jobId);
  if (job !== undefined) return job;
  throw new TrainyardError('NOT_FOUND', `There is no job ${jobId}.`);
}
