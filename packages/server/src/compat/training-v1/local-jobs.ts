import {
  AGENT_PROTOCOL,
  type AttemptSpec,
  type AttemptStatus,
  type OlderJobStatus,
  type RunStatus,
  TRAINING_API,
  toOlderJobStatus,
} from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Announced } from '../../store/attempts-schema.ts';
import type { Schema, StoredError } from '../../store/schema.ts';

/** A job as the older API sees it: a run that an agent carries out, with its newest attempt. */
export interface LocalJob {
  readonly runId: string;
  readonly rootId: string;
  readonly node: number;
  readonly name: string;
  readonly path: string;
  readonly runStatus: RunStatus;
  readonly status: OlderJobStatus;
  readonly error: StoredError | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  /** Owner of the token that it was submitted with. */
  readonly createdBy: string | null;
  readonly resumedFrom: string | null;
  readonly attempt: LocalAttempt | null;
}

export interface LocalAttempt {
  readonly id: string;
  readonly number: number;
  readonly epoch: number;
  readonly status: AttemptStatus;
  readonly agentId: string | null;
  readonly tokenHash: Buffer | null;
  /** Of the token that its program has. */
  readonly jobTokenHash: Buffer | null;
  /** What its program has said of its end. */
  readonly announced: Announced | null;
  /** The newest change of its params; 0: none. */
  readonly paramsRevision: number;
  readonly isCancelRequested: boolean;
  /** Somebody wants it to stand still. */
  readonly isPauseRequested: boolean;
  readonly trainingJobId: string | null;
  readonly queue: string;
  readonly spec: AttemptSpec;
  readonly progress: Readonly<Record<string, unknown>> | null;
  readonly error: StoredError | null;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly leaseLeftMs: number | null;
  /** Its token is worth nothing any more: the lease and its grace are over. */
  readonly isExpired: boolean;
  /** It ended longer ago than its last lines may take. */
  readonly isFlushOver: boolean;
}

interface Row {
  id: string;
  root_id: string;
  node_index: number;
  name: string;
  path: string;
  status: RunStatus;
  error: StoredError | null;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  created_by: string | null;
  from_run: string | null;
  attempt: Omit<LocalAttempt, 'startedAt' | 'endedAt' | 'tokenHash' | 'jobTokenHash'> | null;
  attempt_started_at: Date | null;
  attempt_ended_at: Date | null;
  token_hash: Buffer | null;
  job_token_hash: Buffer | null;
}

/** A job by the id of its run, or by that of a root run which has one job only; `undefined` when there is none. */
export async function findLocalJob(db: Kysely<Schema>, id: string): Promise<LocalJob | undefined> {
  const { rows } = await sql<Row>`
    with wanted as (
      select id from runs where id = ${id} and kind = 'job'
      union all
      select min(id) from runs where root_id = ${id} and id <> ${id} and kind = 'job' having count(*) = 1
    )
    select r.id, r.root_id, r.node_index, r.name, r.path, r.status, r.error, r.created_at, r.started_at, r.ended_at,
      t.created_by, j.from_run, a.token_hash, a.job_token_hash, a.started_at as attempt_started_at, a.ended_at as attempt_ended_at,
      case when a.id is not null then json_build_object(
        'id', a.id, 'number', a.number, 'epoch', a.epoch, 'status', a.status, 'agentId', a.agent_id,
        'isCancelRequested', a.cancel_requested_at is not null, 'isPauseRequested', a.pause_mode is not null, 'trainingJobId', a.training_job_id, 'queue', a.queue,
        'announced', a.announced, 'paramsRevision', a.params_revision,
        'spec', a.spec, 'progress', a.progress, 'error', a.error,
        'leaseLeftMs', extract(epoch from a.lease_until - now()) * 1000,
        'isExpired', coalesce(
          a.lease_until + ${AGENT_PROTOCOL.lostGraceMs} * interval '1 millisecond' < now(), true),
        'isFlushOver', a.ended_at + ${TRAINING_API.flushWindowMs} * interval '1 millisecond' < now()
      ) end as attempt
    from wanted w
    join runs r on r.id = w.id
    join trees t on t.root_id = r.root_id
    left join resumed_jobs j on j.root_id = r.root_id
    left join lateral (
      select * from attempts a where a.run_id = r.id order by a.number desc limit 1
    ) a on true
    limit 1`.execute(db);
  return rows[0] === undefined ? undefined : toJob(rows[0]);
}

function toJob(row: Row): LocalJob {
  const attempt =
    row.attempt === null
      ? null
      : {
          ...row.attempt,
          isFlushOver: row.attempt.isFlushOver ?? false,
          tokenHash: row.token_hash,
          jobTokenHash: row.job_token_hash,
          startedAt: row.attempt_started_at,
          endedAt: row.attempt_ended_at,
        };
  const status = toOlderJobStatus(row.status, attempt?.status);
  return {
    runId: row.id,
    rootId: row.root_id,
    node: row.node_index,
    name: row.name,
    path: row.path,
    runStatus: row.status,
    status,
    error: row.error ?? attempt?.error ?? null,
    createdAt: row.created_at,
    startedAt: row.started_at ?? attempt?.startedAt ?? null,
    // An attempt that gave its slot back, or was lost, is not the end of its job.
    endedAt: row.ended_at ?? (isOver(status) ? (attempt?.endedAt ?? null) : null),
    createdBy: row.created_by,
    resumedFrom: row.from_run,
    attempt,
  };
}

function isOver(status: OlderJobStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** Renews the lease of an attempt whose worker has just reported something. */
export async function renewLease(db: Kysely<Schema>, attemptId: string): Promise<void> {
  await sql`
    update attempts
    set lease_until = now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond', unreachable_since = null
    where id = ${attemptId} and status in ('leased', 'running', 'paused')`.execute(db);
}
