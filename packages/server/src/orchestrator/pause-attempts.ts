import { approvalShift } from '../store/approvals.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Insert } from './new-rows.ts';
import type { TreeChanges } from './tree-changes.ts';

/**
 * Asks attempts to halt or to go on. Claim and heartbeat calls carry it to the agent. One that no agent has is
 * passed over by claims meanwhile; its tree is told through the inbox.
 */
const PAUSE_SQL = `
  with asked as (
    update attempts a set pause_mode = x.mode,
      -- The time that it may wait for an agent stands meanwhile.
      claim_left_ms = case when x.mode is null then null
        when a.claim_by is not null then greatest(0, extract(epoch from a.claim_by) * 1000 - $2::bigint)::bigint
        else a.claim_left_ms end,
      claim_by = case when x.mode is not null then null
        when a.claim_left_ms is not null then to_timestamp(($2::bigint + a.claim_left_ms) / 1000.0)
        else a.claim_by end
    from json_to_recordset($1::json) as x(run_id text, number int, mode text)
    where a.run_id = x.run_id and a.number = x.number and a.ended_at is null
    returning a.root_id, a.node_index, a.number, a.status, a.pause_mode,
      (extract(epoch from a.claim_by) * 1000)::bigint as claim_by
  )
  insert into tree_inbox (root_id, event)
  select root_id, jsonb_build_object('kind', case when pause_mode is null then 'resumed' else 'paused' end,
    'node', node_index, 'attempt', number, 'at', $2::bigint, 'mode', null, 'note', null, 'isQueued', true, 'claimBy', claim_by)
  from asked where status = 'queued'`;

/** What has to be written of pauses. */
export function pauseStatements(changes: readonly TreeChanges[], nowMs: number): Insert[] {
  const shifts = changes.flatMap(({ tree, approvalShifts }) =>
    approvalShifts.map(({ node, byMs }) => {
      const { id, attempt } = tree.runs[node]!;
      return { runId: id, attempt, byMs };
    }),
  );
  return [
    ...(shifts.length > 0 ? [approvalShift(shifts, nowMs)] : []),
    ...(changes.some(({ pauses }) => pauses.length > 0) ? [pauseStatement(changes, nowMs)] : []),
  ];
}

function pauseStatement(changes: readonly TreeChanges[], nowMs: number): Insert & { name: string } {
  // Of several wishes of one tick the last one counts; one statement must not write a row twice.
  const rows = changes.flatMap(({ tree, pauses }) => {
    const last = new Map(pauses.map((pause) => [`${pause.node} ${pause.attempt}`, pause]));
    return [...last.values()].map(({ node, attempt, mode }) => ({
      run_id: tree.runs[node]!.id,
      number: attempt,
      mode,
    }));
  });
  return { name: 'orchestrator-pause', text: PAUSE_SQL, values: [jsonbText(rows), nowMs] };
}
