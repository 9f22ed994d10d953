import { AGENT_PROTOCOL, newId, type RunEvent } from '@trainyard/protocol';
import { replacingGroup } from '../limits/attempt-limit.ts';
import { RowColumns } from '../store/row-columns.ts';
import type { NewAttempt, StoredLease, TreeChanges } from './tree-changes.ts';

/** Rows that a tick and a submit add: attempts and events. */

interface AttemptRow {
  readonly id: string;
  readonly runId: string;
  readonly rootId: string;
  readonly attempt: NewAttempt;
  readonly lease: StoredLease | undefined;
  readonly createdAtMs: number;
}

export function attemptRows(changes: readonly TreeChanges[], nowMs: number): AttemptRow[] {
  return changes.flatMap(({ tree, attempts, leases }) =>
    attempts.map((attempt) => {
      const lease = leases.get(attempt);
      return {
        id: lease?.attemptId ?? newId('att', nowMs),
        runId: tree.runs[attempt.node]!.id,
        rootId: tree.rootId,
        attempt,
        lease,
        createdAtMs: nowMs,
      };
    }),
  );
}

export const ATTEMPT_COLUMNS = new RowColumns<AttemptRow>({
  id: ['text', (row) => row.id],
  run_id: ['text', (row) => row.runId],
  root_id: ['text', (row) => row.rootId],
  number: ['int4', ({ attempt }) => attempt.number],
  node_index: ['int4', ({ attempt }) => attempt.node],
  queue: ['text', ({ attempt }) => attempt.queue],
  priority: ['int4', ({ attempt }) => attempt.priority],
  gpus: ['int4', ({ attempt }) => attempt.gpus],
  labels: ['jsonb', ({ attempt }) => attempt.labels],
  limits: ['jsonb', ({ attempt }) => attempt.limits],
  replacing_group: ['text', ({ attempt }) => replacingGroup(attempt.limits)],
  training_job_id: ['text', ({ attempt }) => attempt.spec.training?.jobId],
  spec: ['jsonb', ({ id, attempt }) => ({ ...attempt.spec, attemptId: id })],
  created_at: ['timestamptz', (row) => row.createdAtMs],
  agent_id: ['text', ({ lease }) => lease?.agentId],
  claim_request: ['text', ({ lease }) => lease?.requestId],
  token_hash: ['text', ({ lease }) => lease?.tokenHash.toString('hex')],
});

/** Agents on which earlier attempts of a run failed in a way that the next one is to keep away from. */
const FAILED_ELSEWHERE = `select array_agg(distinct p.agent_id) as agents from attempts p
    where x.number > 1 and p.run_id = x.run_id and (p.failure ->> 'excludeAgent')::boolean`;

/** The newest checkpoint with which an earlier attempt of the run gave its slot back. */
const RELEASED_BEFORE = `select p.released_from as point, p.agent_id as agent from attempts p
    where x.number > 1 and p.run_id = x.run_id and p.released_from is not null
    order by p.number desc limit 1`;

/** The newest change of the run's params: the next attempt is told of it, too. */
const CHANGED_BEFORE = `select max(p.params_revision) as revision from attempts p
    where x.number > 1 and p.run_id = x.run_id`;

/** `first` is the number of the first of the parameters, which are `ATTEMPT_COLUMNS`. */
export function insertAttemptsSql(first: number): string {
  return `insert into attempts
    (id, run_id, root_id, number, epoch, node_index, status, queue, priority, gpus, labels, limits, replacing_group,
     training_job_id, spec, created_at, excluded_agents, preferred_agent, agent_id, claim_request, token_hash,
     claimed_at, lease_until, params_revision)
  select id, run_id, root_id, number, number, node_index,
    case when agent_id is null then 'queued' else 'leased' end, queue, priority, gpus, labels, limits,
    replacing_group, training_job_id,
    case when released.point is null then spec
      else spec || jsonb_build_object('resumeFrom', released.point) end,
    created_at, failed.agents, released.agent, agent_id, claim_request, decode(token_hash, 'hex'),
    case when agent_id is not null then now() end,
    case when agent_id is not null then now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond' end,
    coalesce(changed.revision, 0)
  from ${ATTEMPT_COLUMNS.from(first)}
  left join lateral (${FAILED_ELSEWHERE}) as failed on true
  left join lateral (${RELEASED_BEFORE}) as released on true
  left join lateral (${CHANGED_BEFORE}) as changed on true`;
}

export const EVENT_COLUMNS = new RowColumns<RunEvent>({
  root_id: ['text', (event) => event.rootId],
  seq: ['int8', (event) => event.seq],
  run_id: ['text', (event) => event.runId],
  type: ['text', (event) => event.type],
  at: ['timestamptz', (event) => event.at],
  data: ['jsonb', (event) => event.data],
});

/** As with `insertAttemptsSql`, of `EVENT_COLUMNS`. */
export function insertEventsSql(first: number): string {
  return `insert into events (root_id, seq, run_id, type, at, data)
  select root_id, seq, run_id, type, at, data from ${EVENT_COLUMNS.from(first)}`;
}
