import { TrainyardError } from '@trainyard/protocol';
import type { Pool } from 'pg';
import { inTransaction } from './transaction.ts';

/**
 * Removes a root run that has ended, with everything that hangs on it: runs, attempts, logs, metrics, events.
 * Definitions and dataset versions stay, since others may share them.
 * @throws TrainyardError NOT_FOUND, CONFLICT while it goes on or when the id is that of a stage
 */
export async function deleteRun(pool: Pool, rootId: string): Promise<void> {
  await inTransaction(pool, 'read committed', async (client) => {
    const { rows } = await client.query<{ root_id: string; status: string | null; ended_at: Date | null }>(
      `select r.root_id, t.status, t.ended_at
       from runs r left join trees t on t.root_id = r.id where r.id = $1 for update of r`,
      [rootId],
    );
    const found = rows[0];
    if (found === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${rootId}.`);
    if (found.status === null) {
      throw new TrainyardError('CONFLICT', `${rootId} is a stage; delete the whole run: ${found.root_id}.`);
    }
    if (found.ended_at === null) {
      throw new TrainyardError(
        'CONFLICT',
        `Run ${rootId} is ${found.status}. Only what has ended can be deleted; cancel it first: trainyard runs cancel ${rootId}`,
      );
    }
    for (const statement of DELETIONS) await client.query(statement, [rootId]);
  });
}

const RUNS_OF_TREE = '(select id from runs where root_id = $1)';
const ATTEMPTS_OF_TREE = `(select id from attempts where run_id in ${RUNS_OF_TREE})`;

/** What refers to something comes before it. */
const DELETIONS: readonly string[] = [
  `insert into deleted_attempts (attempt_id, run_id, agent_id)
   select id, run_id, agent_id from attempts where run_id in ${RUNS_OF_TREE} and agent_id is not null
   on conflict do nothing`,
  `delete from metric_chunks where series_id in (select id from metric_series where run_id in ${RUNS_OF_TREE})`,
  `delete from metric_tiles where series_id in (select id from metric_series where run_id in ${RUNS_OF_TREE})`,
  `delete from metric_pyramids where series_id in (select id from metric_series where run_id in ${RUNS_OF_TREE})`,
  `delete from metric_anomalies where run_id in ${RUNS_OF_TREE}`,
  `delete from metric_series where run_id in ${RUNS_OF_TREE}`,
  `delete from stream_chunks where attempt_id in ${ATTEMPTS_OF_TREE}`,
  `delete from streams where attempt_id in ${ATTEMPTS_OF_TREE}`,
  `delete from run_datasets where root_id = $1`,
  `delete from approvals where root_id = $1`,
  'delete from findings where root_id = $1',
  // Their content is collected when nobody else refers to it.
  'delete from artifacts where root_id = $1',
  'delete from artifact_uploads where root_id = $1',
  `delete from run_params where run_id in ${RUNS_OF_TREE}`,
  `delete from run_tags where run_id in ${RUNS_OF_TREE}`,
  `delete from run_inputs where run_id in ${RUNS_OF_TREE}`,
  `delete from run_models where run_id in ${RUNS_OF_TREE}`,
  'delete from tracked_runs where root_id = $1',
  `delete from trial_rungs where group_id in ${RUNS_OF_TREE}`,
  `delete from param_updates where run_id in ${RUNS_OF_TREE}`,
  `delete from attempts where run_id in ${RUNS_OF_TREE}`,
  'delete from events where root_id = $1',
  'delete from tree_expansions where root_id = $1',
  'delete from tree_inbox where root_id = $1',
  'delete from runs where root_id = $1',
  'delete from trees where root_id = $1',
];
