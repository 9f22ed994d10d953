import {
  type Attempt,
  type DatasetVersion,
  type Run,
  type RunDefinition,
  type RunEvent,
  TrainyardError,
} from '@trainyard/protocol';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Database } from './database.ts';
import { inBranch } from './in-branch.ts';
import type { Schema } from './schema.ts';

/** Reads of what hangs on a run. */
export interface RunReads {
  definition(rootId: string): Promise<RunDefinition>;
  /** Attempts of one run, oldest first. */
  attempts(runId: string): Promise<Attempt[]>;
  /** Events after a cursor: of the whole tree for a root, else of the run and what is below it. */
  events(
    run: Run,
    page: { afterSeq: number; limit: number },
  ): Promise<{ items: RunEvent[]; nextSeq: number }>;
  /** Dataset versions that the run or what is below it wrote or read. */
  datasetsOf(run: Run): Promise<DatasetVersion[]>;
}

export function createRunReads({ kysely }: Database): RunReads {
  return {
    async definition(rootId) {
      const row = await kysely
        .selectFrom('trees')
        .innerJoin('definitions', 'definitions.sha256', 'trees.definition_sha256')
        .select(['definitions.source', 'definitions.definition', 'definitions.written', 'definitions.uses'])
        .select('trees.file_name')
        .where('trees.root_id', '=', rootId)
        .executeTakeFirst();
      if (row === undefined)
        throw new TrainyardError('NOT_FOUND', `Run ${rootId} comes from outside and has no pipeline file.`);
      return {
        source: row.written ?? row.source,
        fileName: row.file_name,
        definition: row.definition,
        uses: row.uses ?? [],
        expanded: row.written === null ? null : row.source,
      };
    },
    attempts: (runId) => readAttempts(kysely, runId),
    events: (run, page) => readEvents(kysely, run, page),
    datasetsOf: (run) =>
      readDatasets(
        kysely,
        sql`exists (select 1 from run_datasets rd join runs r on r.id = rd.run_id
          where rd.name = v.name and rd.sha256 = v.sha256 and ${inBranch(run)})`,
        1000,
      ),
  };
}

async function readAttempts(db: Kysely<Schema>, runId: string): Promise<Attempt[]> {
  const rows = await db
    .selectFrom('attempts')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('number')
    .limit(1000)
    .execute();
  const sizes = await db
    .selectFrom('streams')
    .select(['attempt_id', 'stream', 'size'])
    .where('attempt_id', 'in', rows.length === 0 ? [''] : rows.map((row) => row.id))
    .execute();
  const size = (id: string, stream: string) =>
    sizes.find((row) => row.attempt_id === id && row.stream === stream)?.size ?? 0;
  return rows.map((row) => ({
    id: row.id,
    runId: row.run_id,
    number: row.number,
    epoch: row.epoch,
    status: row.status,
    agentId: row.agent_id,
    executor: (row.spec as { executor?: string }).executor ?? 'local',
    target: row.target,
    exitCode: row.exit_code,
    signal: row.signal,
    error: row.error,
    ...(row.failure === null ? {} : { failure: row.failure }),
    ...(row.excluded_agents === null ? {} : { excludedAgents: row.excluded_agents }),
    cleanupError: row.cleanup_error,
    progress: row.progress,
    logBytes: size(row.id, 'log'),
    metricsBytes: size(row.id, 'metrics'),
    ...(row.undelivered === null ? {} : { undeliveredBytes: row.undelivered }),
    unreachableSince: row.unreachable_since?.toISOString() ?? null,
    lateReport: row.late_report ?? null,
    createdAt: row.created_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
  }));
}

async function readEvents(
  db: Kysely<Schema>,
  run: Run,
  { afterSeq, limit }: { afterSeq: number; limit: number },
): Promise<{ items: RunEvent[]; nextSeq: number }> {
  const rows = await db
    .selectFrom('events')
    .innerJoin('runs as r', 'r.id', 'events.run_id')
    .select(['events.seq', 'events.run_id', 'r.path', 'events.type', 'events.at', 'events.data'])
    .where('events.root_id', '=', run.rootId)
    .where('events.seq', '>', afterSeq)
    .where(inBranch(run))
    .orderBy('events.seq')
    .limit(limit)
    .execute();
  const items = rows.map((row) => ({
    rootId: run.rootId,
    seq: row.seq,
    runId: row.run_id,
    path: row.path,
    type: row.type,
    at: row.at.toISOString(),
    data: row.data,
  }));
  return { items, nextSeq: items.at(-1)?.seq ?? afterSeq };
}

async function readDatasets(
  db: Kysely<Schema>,
  where: RawBuilder<unknown>,
  limit: number,
): Promise<DatasetVersion[]> {
  const { rows } = await sql<{
    name: string;
    sha256: string;
    size_bytes: number;
    rows: number | null;
    path: string;
    created_at: Date;
    runs: { runId: string; role: 'input' | 'output' }[];
  }>`
    select v.name, v.sha256, v.size_bytes, v.rows, v.path, v.created_at, coalesce((
      select json_agg(json_build_object('runId', u.run_id, 'role', u.role) order by u.run_id)
      from (select run_id, role from run_datasets where name = v.name and sha256 = v.sha256
            order by run_id desc limit 100) u), '[]') as runs
    from dataset_versions v where ${where} order by v.created_at desc limit ${limit}`.execute(db);
  return rows.map((row) => ({
    name: row.name,
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
    rows: row.rows,
    path: row.path,
    createdAt: row.created_at.toISOString(),
    runs: row.runs,
  }));
}
