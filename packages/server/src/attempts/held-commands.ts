import {
  type AgentCommand,
  type AgentId,
  type AttemptStatus,
  type HeldAttempt,
  isTerminalAttemptStatus,
  type PauseMode,
} from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { joinedParamUpdates } from '../store/param-updates.ts';
import type { Schema } from '../store/schema.ts';

interface HeldRow {
  readonly id: string;
  readonly run_id: string;
  readonly status: AttemptStatus;
  readonly is_cancel_requested: boolean;
  readonly pause_mode: PauseMode | null;
  readonly params_revision: number;
}

/**
 * What an agent has to do about attempts that it holds: nothing for those that are as they should be, nor
 * for those that ended by its own report while the call was on its way.
 */
export async function commandsFor(
  db: Kysely<Schema>,
  agentId: AgentId,
  held: readonly HeldAttempt[],
): Promise<AgentCommand[]> {
  if (held.length === 0) return [];
  const { rows } = await sql<HeldRow>`
    select id, run_id, status, cancel_requested_at is not null as is_cancel_requested, pause_mode, params_revision
    from attempts
    where id = any(${held.map((attempt) => attempt.attemptId)}::text[]) and agent_id = ${agentId}`.execute(
    db,
  );
  const known = new Map(rows.map((row) => [row.id, row]));
  const commands = held.flatMap((attempt) => commandFor(attempt, known.get(attempt.attemptId)));
  return [...commands, ...(await updatesFor(db, held, known))];
}

function commandFor(held: HeldAttempt, row: HeldRow | undefined): AgentCommand[] {
  const { attemptId, epoch, cancelling, pausing = null } = held;
  if (row === undefined || row.status === 'lost') return [{ attemptId, epoch, action: 'discard' }];
  if (isTerminalAttemptStatus(row.status) || cancelling) return [];
  if (row.is_cancel_requested) return [{ attemptId, epoch, action: 'cancel' }];
  if (row.pause_mode === pausing) return [];
  return row.pause_mode === null
    ? [{ attemptId, epoch, action: 'resume' }]
    : [{ attemptId, epoch, action: 'pause', mode: row.pause_mode }];
}

/** Changed params that the agent has not got yet; mostly none. */
async function updatesFor(
  db: Kysely<Schema>,
  held: readonly HeldAttempt[],
  known: ReadonlyMap<string, HeldRow>,
): Promise<AgentCommand[]> {
  const behind = held.flatMap(({ attemptId, epoch, paramsRevision }) => {
    const row = known.get(attemptId);
    const isBehind =
      row !== undefined && paramsRevision !== undefined && paramsRevision < row.params_revision;
    return isBehind && !isTerminalAttemptStatus(row.status) ? [{ attemptId, epoch, runId: row.run_id }] : [];
  });
  const updates = await joinedParamUpdates(
    db,
    behind.map(({ runId }) => runId),
  );
  return behind.flatMap(({ attemptId, epoch, runId }): AgentCommand[] => {
    const update = updates.get(runId);
    return update === undefined ? [] : [{ attemptId, epoch, action: 'update_params', update }];
  });
}
