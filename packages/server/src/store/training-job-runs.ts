import type { RunStatus, TrainingJobRun } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';

interface Row {
  run_id: string;
  root_id: string;
  node_index: number;
  path: string;
  status: RunStatus;
  checkpoint: string | null;
  params: Record<string, unknown>;
  created_at: Date;
  ended_at: Date | null;
}

/** A run of a training job, with what steering it needs. */
export interface FoundJobRun extends TrainingJobRun {
  readonly node: number;
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Runs that trained for a job, newest first. */
export async function runsOfTrainingJob(
  db: Kysely<Schema>,
  jobId: string,
  limit: number,
  /** Only runs that are older than this one. */
  before: string | null = null,
): Promise<FoundJobRun[]> {
  const { rows } = await sql<Row>`
    select distinct on (a.run_id) ${COLUMNS}
    from (
      select * from attempts where training_job_id = ${jobId} and spec -> 'builtin' is null
        and spec #> '{training,evaluates}' is null and (${before}::text is null or run_id < ${before})
      order by id desc limit ${limit * 4}
    ) a join runs r on r.id = a.run_id
    order by a.run_id desc, a.number desc limit ${limit}`.execute(db);
  return rows.map(toRun);
}

/** One run that trained or evaluated for a job, by its id or that of its root; of several of a root the newest. */
export async function runOfTrainingJob(
  db: Kysely<Schema>,
  jobId: string,
  id: string,
): Promise<FoundJobRun | undefined> {
  const { rows } = await sql<Row>`
    select ${COLUMNS} from attempts a join runs r on r.id = a.run_id
    where a.training_job_id = ${jobId} and (a.run_id = ${id} or a.root_id = ${id}) and a.spec -> 'builtin' is null
    order by a.run_id desc, a.number desc limit 1`.execute(db);
  return rows.map(toRun)[0];
}

const COLUMNS = sql.raw(`a.run_id, r.root_id, r.node_index, r.path, r.status, r.created_at, r.ended_at,
  a.spec #>> '{env,TRAINYARD_CHECKPOINT}' as checkpoint, a.spec -> 'params' as params`);

function toRun(row: Row): FoundJobRun {
  return {
    runId: row.run_id,
    rootId: row.root_id,
    node: row.node_index,
    path: row.path,
    status: row.status,
    checkpoint: row.checkpoint,
    params: row.params,
    createdAt: row.created_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}
