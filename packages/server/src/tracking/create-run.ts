import { newId, type Run, type RunEvent, type RunStatus, TrainyardError } from '@trainyard/protocol';
import type { LiveBus } from '../live/live-bus.ts';
import { EVENT_COLUMNS, insertEventsSql } from '../orchestrator/added-rows.ts';
import type { Database } from '../store/database.ts';
import { MicroBatcher } from '../store/micro-batcher.ts';
import { RowColumns } from '../store/row-columns.ts';
import { inTransaction } from '../store/transaction.ts';
import { type Experiment, experimentIsDeleted, noExperiment, type Tag } from './experiments.ts';
import type { RunData, TrackedRun } from './read-runs.ts';
import { storedInstant } from './stored-instant.ts';

/** A run from outside that is to be made. */
export interface NewRun {
  readonly experimentId: number;
  readonly name: string;
  readonly userId: string;
  /** One that has not ended. */
  readonly status: Extract<RunStatus, 'running' | 'queued'>;
  /** Epoch milliseconds. */
  readonly startMs: number;
  /** Of several with one key the last counts. */
  readonly tags: readonly Tag[];
  /** Owner of the token that it was made with. */
  readonly createdBy: string | null;
  readonly forkedFrom?: { readonly runId: string; readonly step: number | null };
}

/** Makes runs from outside; those that are asked for at once in one transaction. */
export interface RunCreator {
  /** @returns it as it is stored @throws TrainyardError NOT_FOUND for the experiment, CONFLICT when that is deleted */
  create(run: NewRun): Promise<RunData>;
}

const MAX_BATCH_RUNS = 200;

export function createRunCreator({ database, bus }: { database: Database; bus: LiveBus }): RunCreator {
  const batcher = new MicroBatcher<NewRun, RunData | TrainyardError>({
    maxItems: MAX_BATCH_RUNS,
    async write(runs) {
      const { results, made } = await createRuns(database, runs);
      for (const { run, events } of made) bus.emit('tree', { rootId: run.id, events, runs: [run] });
      return results;
    },
  });
  return {
    async create(run) {
      const result = await batcher.add(run);
      if (result instanceof TrainyardError) throw result;
      return result;
    },
  };
}

type FoundExperiment = Pick<Experiment, 'id' | 'artifactLocation'> & { readonly isDeleted: boolean };

interface MadeRun {
  readonly of: NewRun;
  readonly run: Run;
  /** One of each key, in their order. */
  readonly tags: readonly Tag[];
  readonly events: readonly RunEvent[];
}

function createRuns({ pool }: Database, wanted: readonly NewRun[]) {
  return inTransaction(pool, 'read committed', async (client) => {
    const { rows } = await client.query<FoundExperiment>({
      name: 'tracking-experiments-of-new-runs',
      text: `select id, artifact_location as "artifactLocation", deleted_at is not null as "isDeleted"
        from experiments where id = any($1::int8[]) order by id for share`,
      values: [[...new Set(wanted.map(({ experimentId }) => experimentId))]],
    });
    const experiments = new Map(rows.map((row) => [row.id, row]));
    const made: MadeRun[] = [];
    const results = wanted.map((each): RunData | TrainyardError => {
      const experiment = experiments.get(each.experimentId);
      if (experiment === undefined) return noExperiment(each.experimentId);
      if (experiment.isDeleted) return experimentIsDeleted(each.experimentId);
      const run = newRun(each);
      const tags = lastOfEachKey(each.tags);
      made.push({ of: each, run, tags, events: firstEvents(run) });
      return { run: trackedRun(each, run, experiment), params: [], tags, metrics: [] };
    });
    if (made.length > 0) await client.query(insertStatement(made));
    return { results, made };
  });
}

function lastOfEachKey(tags: readonly Tag[]): Tag[] {
  const values = new Map(tags.map(({ key, value }) => [key, value]));
  return [...values].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function trackedRun(
  { experimentId, name, userId, status, startMs, forkedFrom }: NewRun,
  { id, kind }: Run,
  { artifactLocation }: FoundExperiment,
): TrackedRun {
  return {
    ...{ id, kind, experimentId, name, userId, status, startMs },
    endMs: null,
    isDeleted: false,
    artifactUri: null,
    artifactLocation,
    forkedFrom: forkedFrom?.runId ?? null,
    forkedStep: forkedFrom?.step ?? null,
  };
}

function newRun({ name, status, startMs }: NewRun): Run {
  const id = newId('run');
  const startedAt = storedInstant(startMs).toISOString();
  return {
    id,
    rootId: id,
    parentId: null,
    kind: 'external',
    name,
    path: '',
    depth: 0,
    index: 0,
    item: null,
    status,
    reason: null,
    error: null,
    params: {},
    outputs: null,
    dependsOn: [],
    attempt: 0,
    createdAt: new Date().toISOString(),
    queuedAt: null,
    startedAt: status === 'running' ? startedAt : null,
    endedAt: null,
  };
}

function firstEvents({ id, status, createdAt }: Run): RunEvent[] {
  const base = { rootId: id, runId: id, path: '', at: createdAt };
  const created: RunEvent = { ...base, seq: 1, type: 'run.created', data: { kind: 'external', stages: 0 } };
  if (status !== 'running') return [created];
  return [created, { ...base, seq: 2, type: 'run.started', data: { attempt: 0 } }];
}

const RUN_COLUMNS = new RowColumns<MadeRun>({
  id: ['text', ({ run }) => run.id],
  name: ['text', ({ run }) => run.name],
  status: ['text', ({ run }) => run.status],
  created_at: ['timestamptz', ({ run }) => run.createdAt],
  started_at: ['timestamptz', ({ run }) => run.startedAt],
  event_seq: ['int8', ({ events }) => events.length],
  experiment_id: ['int8', ({ of }) => of.experimentId],
  user_id: ['text', ({ of }) => of.userId],
  start_ms: ['int8', ({ of }) => of.startMs],
  created_by: ['text', ({ of }) => of.createdBy],
  forked_from: ['text', ({ of }) => of.forkedFrom?.runId],
  forked_step: ['int8', ({ of }) => of.forkedFrom?.step],
});

const TAG_COLUMNS = new RowColumns<Tag & { readonly runId: string }>({
  run_id: ['text', ({ runId }) => runId],
  key: ['text', ({ key }) => key],
  value: ['text', ({ value }) => value],
});

const FIRST_TAG = 1 + RUN_COLUMNS.count;
const FIRST_EVENT = FIRST_TAG + TAG_COLUMNS.count;

const INSERT_RUNS = `
  with new_runs as (select * from ${RUN_COLUMNS.from(1)}),
  new_trees as (
    insert into trees (root_id, name, status, is_external, event_seq, created_by, created_at)
    select id, name, status, true, event_seq, created_by, created_at from new_runs
  ), new_rows as (
    insert into runs (id, root_id, node_index, depth, kind, name, path, status, created_at, started_at)
    select id, id, 0, 0, 'external', name, '', status, created_at, started_at from new_runs
  ), new_tracked as (
    insert into tracked_runs (run_id, root_id, experiment_id, name, user_id, start_ms, forked_from, forked_step)
    select id, id, experiment_id, name, user_id, start_ms, forked_from, forked_step from new_runs
  ), new_tags as (
    insert into run_tags (run_id, key, value) select run_id, key, value from ${TAG_COLUMNS.from(FIRST_TAG)}
  )
  ${insertEventsSql(FIRST_EVENT)}`;

function insertStatement(made: readonly MadeRun[]) {
  const tags = made.flatMap(({ run, tags }) => tags.map((tag) => ({ ...tag, runId: run.id })));
  return {
    name: 'tracking-insert-runs',
    text: INSERT_RUNS,
    values: [
      ...RUN_COLUMNS.values(made),
      ...TAG_COLUMNS.values(tags),
      ...EVENT_COLUMNS.values(made.flatMap(({ events }) => events)),
    ],
  };
}
