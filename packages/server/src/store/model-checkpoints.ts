import { type ModelCheckpoint, newId, type ReportedCheckpoint } from '@trainyard/protocol';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { PoolClient } from 'pg';
import { type Branch, inBranch } from './in-branch.ts';
import { jsonbText } from './jsonb-text.ts';
import type { Schema } from './schema.ts';

/** Checkpoints that are read at once; more of one job are not looked at. */
const MAX_READ = 10_000;

/** Reads of model checkpoints. */
export interface CheckpointReads {
  /** Of a job, newest first. */
  ofJob(
    jobId: string,
    query: { readonly deleted: boolean; readonly limit: number },
  ): Promise<ModelCheckpoint[]>;
  /** Of a run and all stages below it, newest first; of a stage that took over a result, those of that result. */
  ofRun(
    run: Branch,
    query: { readonly deleted: boolean; readonly limit: number },
  ): Promise<ModelCheckpoint[]>;
  /** All of a job whose files are there. */
  live(jobId: string): Promise<ModelCheckpoint[]>;
  /** Paths that trainings of a job go on from, or evaluate, also those that wait for their next try. */
  inUse(jobId: string): Promise<ReadonlySet<string>>;
  /** By id: the machine on which those of a job were written whose program did not run on its agent's own. */
  hosts(jobId: string): Promise<ReadonlyMap<string, CheckpointHost>>;
}

export interface CheckpointHost {
  /** As the agent calls it. */
  readonly host: string;
  readonly hostAgent: string | undefined;
}

export function createCheckpointReads(db: Kysely<Schema>): CheckpointReads {
  const ofJob: CheckpointReads['ofJob'] = async (jobId, { deleted, limit }) => {
    const rows = await selectCheckpoints(db)
      .where('c.job_id', '=', jobId)
      .$if(!deleted, (query) => query.where('c.deleted_at', 'is', null))
      .orderBy('c.id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(toCheckpoint);
  };
  return {
    ofJob,
    ofRun: (run, query) => readOfRun(db, run, query),
    live: (jobId) => ofJob(jobId, { deleted: false, limit: MAX_READ }),
    inUse: (jobId) => readInUse(db, jobId),
    hosts: (jobId) => readHosts(db, jobId),
  };
}

/** With the path of the stage that has them, as long as its run is there. */
export function selectCheckpoints(db: Kysely<Schema>) {
  return db
    .selectFrom('model_checkpoints as c')
    .leftJoin('runs as r', 'r.id', 'c.run_id')
    .selectAll('c')
    .select('r.path as stage');
}

type CheckpointRow = Selectable<Schema['model_checkpoints']> & { readonly stage: string | null };

async function readOfRun(
  db: Kysely<Schema>,
  run: Branch,
  { deleted, limit }: Parameters<CheckpointReads['ofRun']>[1],
): Promise<ModelCheckpoint[]> {
  const live = deleted ? sql`true` : sql`c.deleted_at is null`;
  const { rows } = await sql<CheckpointRow>`
    (select c.*, r.path as stage from model_checkpoints c join runs r on r.id = c.run_id
      where c.root_id = ${run.rootId} and ${inBranch(run)} and ${live}
      order by c.id desc limit ${limit})
    union all
    (select c.*, r.path as stage from runs r
      join model_checkpoints c on c.run_id = coalesce(r.kept_from, r.cached_from)
      where r.root_id = ${run.rootId} and coalesce(r.kept_from, r.cached_from) is not null
        and ${inBranch(run)} and ${live}
      order by c.id desc limit ${limit})
    order by id desc limit ${limit}`.execute(db);
  return rows.map(toCheckpoint);
}

export async function readInUse(db: Kysely<Schema>, jobId: string): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ path: string }>`
    select distinct used.path from attempts a join runs r on r.id = a.run_id,
      lateral (values (a.spec #>> '{env,TRAINYARD_CHECKPOINT}'), (a.spec #>> '{training,evaluates}')) as used(path)
    where a.training_job_id = ${jobId} and r.ended_at is null and a.number = r.attempt
      and used.path is not null`.execute(db);
  return new Set(rows.map(({ path }) => path));
}

async function readHosts(db: Kysely<Schema>, jobId: string): Promise<ReadonlyMap<string, CheckpointHost>> {
  const { rows } = await sql<{ id: string; host: string; agent: string | null }>`
    select distinct on (c.id) c.id, a.target ->> 'address' as host, g.name as agent
    from model_checkpoints c join attempts a on a.run_id = c.run_id left join agents g on g.id = a.agent_id
    where c.job_id = ${jobId} and c.deleted_at is null and a.target ->> 'address' <> 'local'
    order by c.id, a.number desc`.execute(db);
  return new Map(rows.map(({ id, host, agent }) => [id, { host, hostAgent: agent ?? undefined }]));
}

/** What an attempt has recorded, and whose it is. */
export interface AttemptCheckpoints {
  readonly jobId: string | null;
  readonly runId: string;
  readonly rootId: string;
  readonly checkpoints: readonly ReportedCheckpoint[];
}

// A training job that was deleted meanwhile leaves its checkpoints to their runs.
const SAVE_SQL = `
  insert into model_checkpoints as c
    (id, job_id, run_id, root_id, path, step, epoch, metrics, size_bytes, sha256)
  select x.id, j.id, x.run_id, x.root_id, x.path, x.step, x.epoch, x.metrics, x."sizeBytes", x.sha256
  from json_to_recordset($1::json)
    as x(id text, job_id text, run_id text, root_id text, path text, step bigint, epoch float8, metrics jsonb,
      "sizeBytes" bigint, sha256 text)
  left join training_jobs j on j.id = x.job_id
  on conflict ((coalesce(job_id, run_id)), path) where deleted_at is null do update set`;

// What another run puts there is another checkpoint: that the one before was pinned says nothing of it.
const SAVED = `${SAVE_SQL}
  id = case when c.run_id = excluded.run_id then c.id else excluded.id end,
  pinned_at = case when c.run_id = excluded.run_id then c.pinned_at end,
  removal_requested_at = null, doomed_at = null,
  run_id = excluded.run_id, root_id = excluded.root_id, step = excluded.step, epoch = excluded.epoch,
  metrics = excluded.metrics, size_bytes = excluded.size_bytes, sha256 = excluded.sha256, created_at = now()`;

const EVALUATED = `${SAVE_SQL} metrics = c.metrics || excluded.metrics`;

const DELETED = `
  update model_checkpoints c set deleted_at = now()
  from json_to_recordset($1::json) as x(job_id text, run_id text, path text)
  where coalesce(c.job_id, c.run_id) in (x.job_id, x.run_id) and c.path = x.path and c.deleted_at is null`;

const STATEMENTS = { saved: SAVED, evaluated: EVALUATED, deleted: DELETED } as const;

/** Takes what attempts have recorded; of several lines about one path the order counts. */
export async function writeCheckpoints(
  client: PoolClient,
  attempts: readonly AttemptCheckpoints[],
): Promise<void> {
  for (const { jobId, runId, rootId, checkpoints } of attempts) {
    const owner = { job_id: jobId, run_id: runId, root_id: rootId };
    for (const batch of batches(checkpoints)) {
      const rows = batch.map((each) => ({ ...each, ...owner, id: newId('ckp') }));
      await client.query(STATEMENTS[batch[0]!.action], [jsonbText(rows)]);
    }
  }
}

/** Runs of lines with one action and no path twice: what one statement can take. */
function batches(checkpoints: readonly ReportedCheckpoint[]): ReportedCheckpoint[][] {
  const all: ReportedCheckpoint[][] = [];
  let paths = new Set<string>();
  for (const checkpoint of checkpoints) {
    const last = all.at(-1);
    if (last === undefined || last[0]!.action !== checkpoint.action || paths.has(checkpoint.path)) {
      all.push([checkpoint]);
      paths = new Set([checkpoint.path]);
    } else {
      last.push(checkpoint);
      paths.add(checkpoint.path);
    }
  }
  return all;
}

/** The newest version of a dataset whose SHA-256 begins with this. */
export async function findDatasetVersion(
  db: Kysely<Schema>,
  { name, sha256Prefix }: { readonly name: string; readonly sha256Prefix: string },
): Promise<{ path: string; sha256: string; rows: number | null } | undefined> {
  const { rows } = await sql<{ path: string; sha256: string; rows: number | null }>`
    select path, sha256, rows from dataset_versions
    where name = ${name} and starts_with(sha256, ${sha256Prefix})
    order by created_at desc, sha256 limit 1`.execute(db);
  return rows[0];
}

export function toCheckpoint(row: CheckpointRow): ModelCheckpoint {
  return {
    id: row.id,
    jobId: row.job_id,
    runId: row.run_id,
    stage: row.stage,
    path: row.path,
    step: row.step,
    epoch: row.epoch,
    metrics: row.metrics,
    sizeBytes: row.size_bytes,
    sha256: row.sha256,
    pinnedAt: row.pinned_at?.toISOString() ?? null,
    removalRequestedAt: row.removal_requested_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
    deletedAt: row.deleted_at?.toISOString() ?? null,
  };
}
