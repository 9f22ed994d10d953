import { classed, formatDurationMs } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';
import type { DueTimer } from './due-timer.ts';
import type { Insert } from './new-rows.ts';
import { stageAt } from './owned-tree.ts';
import type { NewAttempt, TimerRequest, TreeChanges } from './tree-changes.ts';

/** After a start or a take-over agents get at least so long: nobody could claim while no server was there. */
const GRACE_MS = 25_000;

/** The attempt with the time until which it may wait for an agent, if its stage says so; arms the timer for that. */
export function withQueueTimeout(changes: TreeChanges, attempt: NewAttempt, nowMs: number): NewAttempt {
  const { node, number } = attempt;
  const limitMs = stageAt(changes.tree, node)?.queueTimeout;
  if (limitMs === undefined) return attempt;
  const claimByMs = nowMs + limitMs;
  changes.timers.push({ atMs: claimByMs, node, kind: 'queue_timeout', attempt: number });
  return { ...attempt, claimByMs };
}

/** Takes in that the time is over. An agent may have claimed it already: its row decides. */
export function queueTimedOut(changes: TreeChanges, { node, attempt }: DueTimer): void {
  const run = changes.tree.runs[node]!;
  if (run.status !== 'queued' || run.attempt !== attempt) return;
  const limit = formatDurationMs(stageAt(changes.tree, node)?.queueTimeout ?? 0);
  const message = `no agent has taken it within ${limit} (queueTimeout)`;
  changes.unclaimed.push({ node, attempt, error: classed({ code: 'queue_timeout', message }) });
}

// One that is paused has no time; whoever took it meanwhile keeps it.
const EXPIRE_SQL = `
  with expired as (
    update attempts a set status = 'failed', ended_at = now(), error = x.error
    from json_to_recordset($1::json) as x(run_id text, number int, error jsonb)
    where a.run_id = x.run_id and a.number = x.number and a.status = 'queued'
      and a.claim_by <= to_timestamp(($2::bigint + 1) / 1000.0)
    returning a.root_id, a.node_index, a.number, a.error
  )
  insert into tree_inbox (root_id, event)
  select root_id, jsonb_build_object(
    'kind', 'finished', 'node', node_index, 'attempt', number, 'at', $2::bigint, 'outcome', 'failed',
    'exitCode', null, 'signal', null, 'error', error, 'outputs', null, 'datasets', '[]'::jsonb)
  from expired`;

/** Ends attempts that no agent has taken in time, and tells their trees so. */
export function expireStatements(changes: readonly TreeChanges[], nowMs: number): Insert[] {
  const rows = changes.flatMap(({ tree, unclaimed }) =>
    unclaimed.map(({ node, attempt, error }) => ({ run_id: tree.runs[node]!.id, number: attempt, error })),
  );
  return rows.length === 0 ? [] : [{ text: EXPIRE_SQL, values: [jsonbText(rows), nowMs] }];
}

/** The timers of what waits in a tree that is read again. */
export async function queueTimers(
  db: Kysely<Schema>,
  rootId: string,
  nowMs: number,
): Promise<TimerRequest[]> {
  const rows = await db
    .selectFrom('runs as r')
    .innerJoin('attempts as a', (join) =>
      join.onRef('a.run_id', '=', 'r.id').onRef('a.number', '=', 'r.attempt'),
    )
    .select(['a.node_index', 'a.number', 'a.claim_by'])
    .where('r.root_id', '=', rootId)
    .where('r.ended_at', 'is', null)
    .where('a.status', '=', 'queued')
    .where(sql<boolean>`a.claim_by is not null`)
    .execute();
  return rows.map(({ node_index: node, number: attempt, claim_by }) => {
    const atMs = Math.max(claim_by!.getTime(), nowMs + GRACE_MS);
    return { atMs, node, kind: 'queue_timeout', attempt };
  });
}
