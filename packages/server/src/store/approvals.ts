import type { ApprovalInfo, ApprovalStatus } from '@trainyard/protocol';
import { type Selectable, sql } from 'kysely';
import type { Database } from './database.ts';
import { jsonbText } from './jsonb-text.ts';
import type { ApprovalsTable } from './schema.ts';

/** A request as it is stored when a stage begins to wait. Instants are epoch ms. */
export interface NewApproval {
  readonly runId: string;
  readonly rootId: string;
  readonly node: number;
  readonly pipeline: string;
  readonly path: string;
  readonly message: string;
  readonly form: ApprovalInfo['form'];
  readonly approvers: readonly string[] | null;
  readonly onTimeout: ApprovalInfo['onTimeout'];
  readonly escalateTo: readonly string[] | null;
  readonly requestedAtMs: number;
  readonly timeoutAtMs: number | null;
}

/**
 * What is to become of an approval that waits. It takes hold, with its fact for the owner of the tree, only if
 * the approval still waits: whoever comes first has decided.
 */
export interface Settlement {
  readonly runId: string;
  /** `waiting`: it is escalated. */
  readonly status: ApprovalStatus;
  /** Only if it has been escalated (true), or has not been (false). */
  readonly ifEscalated: boolean | null;
  readonly atMs: number;
  /** Of an escalation: when it ends by itself. */
  readonly timeoutAtMs: number | null;
  readonly decidedBy: string | null;
  readonly comment: string | null;
  readonly inputs: Readonly<Record<string, unknown>> | null;
  readonly fact: object;
}

interface Statement {
  readonly text: string;
  readonly values: unknown[];
}

export function approvalInsert(approvals: readonly NewApproval[]): Statement {
  const rows = approvals.map(({ requestedAtMs, timeoutAtMs, ...row }) => ({
    ...row,
    requestedAt: iso(requestedAtMs),
    timeoutAt: iso(timeoutAtMs),
  }));
  return { text: INSERT_SQL, values: [jsonbText(rows)] };
}

const INSERT_SQL = `
  insert into approvals (run_id, root_id, node_index, pipeline, path, status, message, form, approvers,
    on_timeout, escalate_to, requested_at, timeout_at)
  select "runId", "rootId", node, pipeline, path, 'waiting', message, form, approvers, "onTimeout",
    "escalateTo", "requestedAt", "timeoutAt"
  from json_to_recordset($1::json)
    as x("runId" text, "rootId" text, node int, pipeline text, path text, message text, form json,
         approvers text[], "onTimeout" text, "escalateTo" text[], "requestedAt" timestamptz,
         "timeoutAt" timestamptz)`;

/** Answers the root ids of those that took hold. */
export function settlementStatement(settlements: readonly Settlement[]): Statement {
  const rows = settlements.map(({ atMs, timeoutAtMs, ...row }) => ({
    ...row,
    at: iso(atMs),
    timeoutAt: iso(timeoutAtMs),
  }));
  return { text: SETTLE_SQL, values: [jsonbText(rows)] };
}

const SETTLE_SQL = `
  with settled as (
    update approvals a
    set status = x.status,
        escalated_at = case when x.status = 'waiting' then x.at else a.escalated_at end,
        timeout_at = x."timeoutAt",
        decided_at = case when x.status in ('approved', 'rejected') then x.at end,
        decided_by = x."decidedBy", comment = x.comment, inputs = x.inputs
    from json_to_recordset($1::json)
      as x("runId" text, status text, "ifEscalated" boolean, at timestamptz, "timeoutAt" timestamptz,
           "decidedBy" text, comment text, inputs jsonb, fact jsonb)
    where a.run_id = x."runId" and a.status = 'waiting'
      and (x."ifEscalated" is null
        or x."ifEscalated" = (a.escalated_at is not null) and (a.timeout_at is null or a.timeout_at <= x.at))
    returning a.root_id, x.fact
  )
  insert into tree_inbox (root_id, event) select root_id, fact from settled returning root_id`;

/** Gives people the time again for which their approvals were paused, and tells the trees so. */
export function approvalShift(
  shifts: readonly { readonly runId: string; readonly attempt: number; readonly byMs: number }[],
  nowMs: number,
): Statement {
  return { text: SHIFT_SQL, values: [jsonbText(shifts), nowMs] };
}

const SHIFT_SQL = `
  with moved as (
    update approvals a set timeout_at = a.timeout_at + x."byMs" * interval '1 millisecond'
    from json_to_recordset($1::json) as x("runId" text, attempt int, "byMs" bigint)
    where a.run_id = x."runId" and a.status = 'waiting' and a.timeout_at is not null
    returning a.root_id, a.node_index, x.attempt, a.timeout_at, a.escalated_at
  )
  insert into tree_inbox (root_id, event)
  select root_id, jsonb_build_object('kind', 'approval_moved', 'node', node_index, 'attempt', attempt,
    'at', $2::bigint, 'timeoutAt', ceil(extract(epoch from timeout_at) * 1000),
    'timer', case when escalated_at is null then 'approval_timeout' else 'approval_escalation' end)
  from moved`;

/** Reads of approvals, and the one write that a person makes. */
export interface ApprovalStore {
  find(runId: string): Promise<ApprovalInfo | undefined>;
  /** Newest first, from the one after `cursor` on. */
  list(query: {
    readonly status?: ApprovalStatus | undefined;
    readonly root?: string | undefined;
    readonly cursor?: string | undefined;
    readonly limit: number;
  }): Promise<{ items: ApprovalInfo[]; nextCursor: string | null }>;
  /** False when somebody, or the timeout, was faster: then nothing is stored. */
  settle(settlement: Settlement): Promise<boolean>;
}

export function createApprovalStore({ kysely, pool }: Database): ApprovalStore {
  return {
    async find(runId) {
      const row = await kysely
        .selectFrom('approvals')
        .selectAll()
        .where('run_id', '=', runId)
        .executeTakeFirst();
      return row === undefined ? undefined : toInfo(row);
    },
    async list({ status, root, cursor, limit }) {
      let select = kysely
        .selectFrom('approvals')
        .selectAll()
        .orderBy('run_id', 'desc')
        .limit(limit + 1);
      if (status !== undefined) select = select.where('status', '=', status);
      if (root !== undefined) select = select.where('root_id', '=', root);
      if (cursor !== undefined) select = select.where('run_id', '<', cursor);
      const rows = await select.execute();
      const items = rows.slice(0, limit).map(toInfo);
      return { items, nextCursor: rows.length > limit ? items[items.length - 1]!.runId : null };
    },
    async settle(settlement) {
      const { rows } = await pool.query(settlementStatement([settlement]));
      return rows.length > 0;
    },
  };
}

/** The approvals of a tree that end, or are escalated, by themselves. */
export async function timedApprovals(
  db: Database['kysely'],
  rootId: string,
): Promise<{ node: number; timeoutAtMs: number; isEscalated: boolean }[]> {
  const rows = await db
    .selectFrom('approvals')
    .select(['node_index', 'timeout_at', 'escalated_at'])
    .where('root_id', '=', rootId)
    .where('status', '=', 'waiting')
    .where(sql<boolean>`timeout_at is not null`)
    .execute();
  return rows.map((row) => ({
    node: row.node_index,
    timeoutAtMs: row.timeout_at!.getTime(),
    isEscalated: row.escalated_at !== null,
  }));
}

function toInfo(row: Selectable<ApprovalsTable>): ApprovalInfo {
  return {
    runId: row.run_id,
    rootId: row.root_id,
    pipeline: row.pipeline,
    path: row.path,
    status: row.status,
    message: row.message,
    form: row.form,
    approvers: row.approvers,
    onTimeout: row.on_timeout,
    escalateTo: row.escalate_to,
    requestedAt: row.requested_at.toISOString(),
    timeoutAt: row.timeout_at?.toISOString() ?? null,
    escalatedAt: row.escalated_at?.toISOString() ?? null,
    decidedAt: row.decided_at?.toISOString() ?? null,
    decidedBy: row.decided_by,
    comment: row.comment,
    inputs: row.inputs ?? null,
  };
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
