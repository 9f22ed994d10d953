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
  spec: ['json', ({ id, attempt }) => ({ ...attempt.spec, attemptId: id })],
  created_at: ['timestamptz', (row) => row.createdAtMs],
  claim_by: ['timestamptz', ({ attempt }) => attempt.claimByMs],
  agent_id: ['text', ({ lease }) => lease?.agentId],
  claim_request: ['text', ({ lease }) => lease?.requestId],
  token_hash: ['text', ({ lease }) => lease?.tokenHash.toString('hex')],
});

/** What is looked up for attempts that follow others of their run. Most are the first, and cost no look then. */
function ofLater(sql: string, ofFirst = 'null'): string {
  return `case when number > 1 then ${sql} else ${ofFirst} end`;
}

/** Agents on which earlier attempts of a run failed in a way that the next one is to keep away from. */
const FAILED_ELSEWHERE = ofLater(`(select array_agg(distinct p.agent_id) from attempts p
    where p.run_id = x.run_id and (p.failure ->> 'excludeAgent')::boolean)`);

/** Of the last earlier attempt of the run that gave its slot back with a checkpoint. */
const ofReleased = (sql: string) => `(select ${sql} from attempts p
    where p.run_id = x.run_id and p.released_from is not null order by p.number desc limit 1)`;

const SPEC = ofLater(
  `(spec::jsonb || coalesce(${ofReleased("jsonb_build_object('resumeFrom', p.released_from)")}, '{}'))::json`,
  'spec',
);
const RELEASED_BY = ofLater(ofReleased('p.agent_id'));

/** The newest change of the run's params: the next attempt is told of it, too. */
const CHANGED_BEFORE = ofLater(
  '(select coalesce(max(p.params_revision), 0) from attempts p where p.run_id = x.run_id)',
  '0',
);

/** `first` is the number of the first of the parameters, which are `ATTEMPT_COLUMNS`. */
export function insertAttemptsSql(first: number): string {
  return `insert into attempts
    (id, run_id, root_id, number, epoch, node_index, status, queue, priority, gpus, labels, limits, replacing_group,
     training_job_id, spec, created_at, claim_by, excluded_agents, preferred_agent, agent_id, claim_request, token_hash,
     claimed_at, lease_until, params_revision)
  select id, run_id, root_id, number, number, node_index,
    case when agent_id is null then 'queued' else 'leased' end, queue, priority, gpus, labels, limits,
    replacing_group, training_job_id,
    ${SPEC}, created_at, claim_by, ${FAILED_ELSEWHERE}, ${RELEASED_BY}, agent_id, claim_request, decode(token_hash, 'hex'),
    case when agent_id is not null then now() end,
    case when agent_id is not null then now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond' end,
    ${CHANGED_BEFORE}
  from ${ATTEMPT_COLUMNS.from(first)}`;
}

export const EVENT_COLUMNS = new RowColumns<RunEvent>({
  root_id: ['text', (event) => event.rootId],
  seq: ['int8', (event) => event.seq],
  run_id: ['text', (event) => event.runId],
  type: ['text', (event) => event.type],
  at: ['timestamptz', (event) => event.at],
  data: ['json', (event) => event.data],
});

/** As with `insertAttemptsSql`, of `EVENT_COLUMNS`. */
export function insertEventsSql(first: number): string {
  return `insert into events (root_id, seq, run_id, type, at, data)
  select root_id, seq, run_id, type, at, data from ${EVENT_COLUMNS.from(first)}`;
}
