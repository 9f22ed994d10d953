import type { ClientBase } from 'pg';
import {
  createBatcher,
  type Ingest,
  type Points,
  type SeriesOrigin,
  toPointLists,
  toSeriesPoints,
  writePoints,
} from '../ingest/index.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import { isDatabaseLost } from '../store/database-lost.ts';
import { RowColumns } from '../store/row-columns.ts';
import { inTransaction } from '../store/transaction.ts';
import type { Tag } from './experiments.ts';
import { RUN_NAME_TAG } from './known-tags.ts';
import { decideLog, type KnownRun, type LogDecision, type LogRequest, pairKey } from './log-request.ts';
import { type KnownSeries, storedPoints } from './stored-points.ts';
import { trackJobs } from './track-jobs.ts';

/** Stores what programs log over HTTP; those that log at once share a transaction. */
export interface RunLogger {
  /**
   * Stores a request as a whole, exactly once: what is there already is left out. Answers after the commit.
   * @throws TrainyardError NOT_FOUND, CONFLICT for a deleted run, INVALID_REQUEST for a param with another value
   */
  log(request: LogRequest): Promise<void>;
  /** Resolves when all that was logged so far is stored. */
  idle(): Promise<void>;
}

/** Bounds of one transaction. */
const MAX_BATCH_REQUESTS = 256;
const MAX_BATCH_ITEMS = 20_000;
/** While one transaction waits for the database the next one is put together. */
const MAX_TRANSACTIONS_IN_FLIGHT = 2;
/** A series with more chunks than this since its last compaction is compacted. */
const MERGE_ABOVE_CHUNKS = 32;

interface Waiting {
  readonly request: LogRequest;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Parts {
  readonly database: Database;
  readonly ingest: Ingest;
  readonly bus: LiveBus;
}

export function createRunLogger(parts: Parts): RunLogger {
  const { database, ingest, bus } = parts;
  const batcher = createBatcher<Waiting>({
    keyOf: ({ request }) => request.runId,
    sizeOf: ({ request }) => request.params.length + request.tags.length + request.points.length,
    maxItems: MAX_BATCH_REQUESTS,
    maxSize: MAX_BATCH_ITEMS,
    maxInFlight: MAX_TRANSACTIONS_IN_FLIGHT,
    run: store,
  });

  async function store(batch: readonly Waiting[]): Promise<void> {
    const requests = batch.map(({ request }) => request);
    let stored: StoredLog;
    try {
      stored = await storeLog(database, requests);
    } catch (error) {
      await storeAfterFailure(batch, error);
      return;
    }
    for (const [index, { resolve, reject }] of batch.entries()) {
      const refused = stored.decision.refusals[index];
      if (refused === undefined) resolve();
      else reject(refused);
    }
    ingest.compactSoon(stored.crowded);
    announce(bus, stored.decision.points);
  }

  /** One request that cannot be stored must not fail its neighbours; a lost database fails all. */
  async function storeAfterFailure(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length > 1 && !isDatabaseLost(error)) {
      for (const waiting of batch) await store([waiting]);
      return;
    }
    for (const { reject } of batch) reject(error);
  }

  return {
    log: (request) =>
      new Promise((resolve, reject) => {
        batcher.add({ request, resolve, reject });
      }),
    idle: () => batcher.idle(),
  };
}

interface StoredLog {
  readonly decision: LogDecision;
  readonly crowded: readonly number[];
}

function storeLog({ pool }: Database, requests: readonly LogRequest[]): Promise<StoredLog> {
  return inTransaction(pool, 'read committed', async (client) => {
    const runs = await lockTracked(client, requests);
    // After the lock, so that it sees what the last holder has stored.
    const { params, series } = await readKnown(client, requests);
    const isStored = await storedPoints(client, series, requests);
    const decision = decideLog({ runs, params, isStored }, requests);
    if (decision.params.length > 0)
      await client.query({ ...INSERT_PARAMS, values: PAIR_COLUMNS.values(decision.params) });
    if (decision.tags.length > 0) await writeTags(client, decision.tags);
    const points = [...decision.points].flatMap(([runId, byKey]) =>
      toSeriesPoints(originOf(runs.get(runId)!), byKey),
    );
    const crowded = points.length > 0 ? await writePoints(client, points, MERGE_ABOVE_CHUNKS, 'value') : [];
    return { decision, crowded };
  });
}

function originOf({ runId, attempt }: KnownRun): SeriesOrigin {
  return { runId, attemptNumber: attempt };
}

/** A run that we execute becomes tracked by what is logged to it. */
async function lockTracked(
  client: ClientBase,
  requests: readonly LogRequest[],
): Promise<ReadonlyMap<string, KnownRun>> {
  const runs = await lockRuns(client, requests);
  const missing = requests.filter(({ runId }) => !runs.has(runId)).map(({ runId }) => runId);
  if (missing.length === 0) return runs;
  await trackJobs(client, [...new Set(missing)]);
  return lockRuns(client, requests);
}

async function lockRuns(
  client: ClientBase,
  requests: readonly LogRequest[],
): Promise<ReadonlyMap<string, KnownRun>> {
  const { rows } = await client.query<KnownRun>({
    name: 'tracking-lock-runs',
    text: `select t.run_id as "runId", t.deleted_at is not null as "isDeleted", r.attempt
      from tracked_runs t join runs r on r.id = t.run_id
      where t.run_id = any($1::text[]) order by t.run_id for no key update of t`,
    values: [[...new Set(requests.map(({ runId }) => runId))]],
  });
  return new Map(rows.map((row) => [row.runId, row]));
}

interface KnownRow {
  readonly runId: string;
  readonly key: string;
  readonly value: string | null;
  readonly id: number | null;
  readonly lastStep: number | null;
  readonly lastTime: number | null;
}

/** Stored params, and ends of series, of what is logged. */
async function readKnown(client: ClientBase, requests: readonly LogRequest[]) {
  const params = pairsOf(requests, ({ params }) => params);
  const points = pairsOf(requests, ({ points }) => points);
  if (params.length === 0 && points.length === 0) return { params: new Map<string, string>(), series: [] };
  const { rows } = await client.query<KnownRow>({
    name: 'tracking-read-known',
    text: `select p.run_id as "runId", p.key, p.value, null::int8 as id, null::int8 as "lastStep",
        null::float8 as "lastTime"
      from unnest($1::text[], $2::text[]) as k (run_id, key) join run_params p using (run_id, key)
      union all
      select s.run_id, s.key, null, s.id, s.last_step, s.last_time
      from unnest($3::text[], $4::text[]) as k (run_id, key) join metric_series s using (run_id, key)`,
    values: [
      params.map(({ runId }) => runId),
      params.map(({ key }) => key),
      points.map(({ runId }) => runId),
      points.map(({ key }) => key),
    ],
  });
  const ofParams = rows.filter((row) => row.id === null);
  return {
    params: new Map(ofParams.map(({ runId, key, value }) => [pairKey(runId, key), value!])),
    series: rows.filter((row): row is KnownRow & KnownSeries => row.id !== null),
  };
}

function pairsOf(
  requests: readonly LogRequest[],
  of: (request: LogRequest) => readonly { readonly key: string }[],
): { runId: string; key: string }[] {
  const pairs = new Map<string, { runId: string; key: string }>();
  for (const request of requests)
    for (const { key } of of(request)) pairs.set(pairKey(request.runId, key), { runId: request.runId, key });
  return [...pairs.values()];
}

const PAIR_COLUMNS = new RowColumns<Tag & { readonly runId: string }>({
  run_id: ['text', ({ runId }) => runId],
  key: ['text', ({ key }) => key],
  value: ['text', ({ value }) => value],
});

const INSERT_PARAMS = {
  name: 'tracking-insert-params',
  text: `insert into run_params (run_id, key, value) select run_id, key, value from ${PAIR_COLUMNS.from(1)}`,
};

const UPSERT_TAGS = {
  name: 'tracking-upsert-tags',
  text: `insert into run_tags (run_id, key, value) select run_id, key, value from ${PAIR_COLUMNS.from(1)}
    order by run_id, key on conflict (run_id, key) do update set value = excluded.value`,
};

// The rows of a run that we execute are its owner's: only what tracking calls it changes.
const RENAME = {
  name: 'tracking-rename-runs',
  text: `with named as (select run_id, value as name from ${PAIR_COLUMNS.from(1)} where key = '${RUN_NAME_TAG}'),
    tracked as (
      update tracked_runs t set name = n.name from named n where t.run_id = n.run_id returning t.run_id, n.name
    ), rows as (
      update runs r set name = t.name from tracked t where r.id = t.run_id and r.kind = 'external'
    )
    update trees r set name = t.name from tracked t where r.root_id = t.run_id and r.is_external`,
};

async function writeTags(
  client: ClientBase,
  tags: readonly (Tag & { readonly runId: string })[],
): Promise<void> {
  await client.query({ ...UPSERT_TAGS, values: PAIR_COLUMNS.values(tags) });
  const names = tags.filter(({ key }) => key === RUN_NAME_TAG);
  if (names.length > 0) await client.query({ ...RENAME, values: PAIR_COLUMNS.values(names) });
}

/** Most runs are watched by nobody: then the points need not become objects. */
function announce(bus: LiveBus, points: ReadonlyMap<string, ReadonlyMap<string, Points>>): void {
  if (bus.listenerCount('points') === 0) return;
  for (const [runId, byKey] of points) bus.emit('points', { runId, points: toPointLists(byKey) });
}
