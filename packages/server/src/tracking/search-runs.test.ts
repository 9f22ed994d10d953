import { MLFLOW_STATUS_OF } from '@trainyard/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Field, Filter, OrderBy } from '../search/filter.ts';
import { parseFilter } from '../search/parse-filter.ts';
import { printFilter } from '../search/print-filter.ts';
import { SEARCHABLE } from '../search/searchable.ts';
import { evaluateFilter } from '../search/testing/evaluate-filter.ts';
import { randomFilter } from '../search/testing/random-filter.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { migrate } from '../store/migrate.ts';
import { describeDatabases, type TestDatabase, testDatabase } from '../testing/index.ts';
import { searchRunIds } from './search-runs.ts';

const KEYS = ['a', 'a b', 'x.y', 'é'];
const TEXTS = ['', 'a', 'A', 'ab', 'aB%', '_a', 'é', "it's", '10', '9', 'a\nb', '\\'];
const NUMBERS = [0, -1, 1, 1.5, 1e300, 2 ** 53];
const STATUSES = ['completed', 'running', 'failed', 'cancelled', 'queued'] as const;

interface StoredRun {
  readonly id: string;
  readonly experiment: number;
  readonly name: string;
  readonly user: string;
  readonly status: (typeof STATUSES)[number];
  readonly startMs: number;
  readonly endMs: number | null;
  readonly isDeleted: boolean;
  readonly metrics: Readonly<Record<string, number>>;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly datasets: readonly { name: string; digest: string; context: string | undefined }[];
}

const texts = fc.constantFrom(...TEXTS);
const someKeys = <T>(values: fc.Arbitrary<T>) =>
  fc.dictionary(fc.constantFrom(...KEYS), values, { maxKeys: 4, noNullPrototype: true });
const randomRun: fc.Arbitrary<Omit<StoredRun, 'id'>> = fc.record({
  experiment: fc.constantFrom(0, 1),
  name: texts,
  user: texts,
  status: fc.constantFrom(...STATUSES),
  startMs: fc.constantFrom(0, 1, 2, 1_700_000_000_000),
  endMs: fc.constantFrom(null, 1, 1_700_000_000_000),
  isDeleted: fc.boolean(),
  metrics: someKeys(
    fc.constantFrom(...NUMBERS, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  ),
  params: someKeys(texts),
  tags: someKeys(texts),
  datasets: fc.uniqueArray(
    fc.record({
      name: texts,
      digest: fc.constantFrom('d1', 'd2'),
      context: fc.option(texts, { nil: undefined }),
    }),
    { maxLength: 2, selector: ({ name, digest }) => `${name} ${digest}` },
  ),
});

function valuesOf(run: StoredRun, { group, key }: Field): (string | number)[] {
  const found = (value: string | number | null | undefined) =>
    value === undefined || value === null ? [] : [value];
  switch (group) {
    case 'metric':
      return found(run.metrics[key]);
    case 'param':
      return found(run.params[key]);
    case 'tag':
      return found(run.tags[key]);
    case 'dataset':
      return run.datasets.flatMap((dataset) => found(dataset[key as 'name']));
    case 'attribute':
      return found(
        {
          run_id: run.id,
          run_name: run.name,
          status: MLFLOW_STATUS_OF[run.status],
          state: run.status,
          user_id: run.user,
          artifact_uri: `mlflow-artifacts:/${run.experiment}/${run.id}/artifacts`,
          start_time: run.startMs,
          end_time: run.endMs,
        }[key],
      );
  }
}

/** Ranks of values: what is there, NaN, nothing. */
function rank(value: string | number | undefined): number {
  if (value === undefined) return 2;
  return Number.isNaN(value) ? 1 : 0;
}

function compareRuns(orders: readonly OrderBy[]) {
  return (one: StoredRun, other: StoredRun): number => {
    for (const { field, isDescending } of orders) {
      const [a, b] = [valuesOf(one, field)[0], valuesOf(other, field)[0]];
      if (rank(a) !== rank(b)) return rank(a) - rank(b);
      if (rank(a) > 0) continue;
      const compared =
        typeof a === 'string'
          ? Buffer.compare(Buffer.from(a), Buffer.from(b as string))
          : Math.sign((a as number) - (b as number)) || (a === b ? 0 : Number.NaN);
      if (compared !== 0 && !Number.isNaN(compared)) return isDescending ? -compared : compared;
    }
    return other.startMs - one.startMs || (one.id < other.id ? -1 : 1);
  };
}

describeDatabases('a search of runs', (engine) => {
  let place: TestDatabase;
  let database: Database;
  let runs: StoredRun[];
  beforeAll(async () => {
    place = await testDatabase({ engine });
    database = await openDatabase({
      connection: place.url,
      schema: place.schema,
      maxConnections: 2,
      onConnectionError: () => {},
    });
    await migrate(database);
    runs = fc
      .sample(randomRun, { numRuns: 120, seed: 7 })
      .map((run, index) => ({ ...run, id: `run_${String(index).padStart(3, '0')}` }));
    await store(database, runs);
  });
  afterAll(async () => {
    await database.close();
    await place.drop();
  });

  const search = (
    filter: Filter | undefined,
    wanted: {
      orderBy?: OrderBy[];
      limit?: number;
      offset?: number;
      experimentIds?: number[] | null;
      view?: 'active' | 'all' | 'deleted';
    } = {},
  ) =>
    searchRunIds(database.kysely, {
      experimentIds: null,
      orderBy: [],
      view: 'all',
      limit: 1000,
      offset: 0,
      ...wanted,
      filter,
    });

  it('finds what the filter means', async () => {
    const drawn = {
      keys: fc.constantFrom(...KEYS, 'missing'),
      texts: fc.constantFrom(
        ...TEXTS,
        '%',
        '_',
        'a%',
        '%B%',
        'RUNNING',
        'completed',
        'run_001',
        'd1',
        '\\%',
        '%\\',
      ),
      numbers: fc.constantFrom(...NUMBERS, 0.5, 1_700_000_000_000, Number.POSITIVE_INFINITY, -0),
      patterns: fc.constantFrom(
        'a',
        '^a',
        '(?i)B$',
        '^\\d+$',
        '[^a]',
        'a.b',
        '^$',
        "it's|é",
        '^run_00[1-5]$',
      ),
    };
    await fc.assert(
      fc.asyncProperty(randomFilter(SEARCHABLE.runs, drawn), async (filter) => {
        const wanted = runs.filter((run) => evaluateFilter(filter, (field) => valuesOf(run, field)));
        const { ids } = await search(parseFilter(printFilter(filter), SEARCHABLE.runs));
        expect(ids.toSorted()).toEqual(wanted.map(({ id }) => id));
      }),
      { numRuns: 250 },
    );
  });

  it('orders them, and gives them page by page', async () => {
    const field = fc.oneof(
      fc
        .constantFrom(...Object.keys(SEARCHABLE.runs.attributes))
        .map((key): Field => ({ group: 'attribute', key })),
      fc.record({
        group: fc.constantFrom('metric' as const, 'param' as const, 'tag' as const),
        key: fc.constantFrom(...KEYS),
      }),
    );
    const orders = fc.uniqueArray(fc.record({ field, isDescending: fc.boolean() }), {
      maxLength: 3,
      selector: (order) => `${order.field.group}.${order.field.key}`,
    });
    await fc.assert(
      fc.asyncProperty(orders, fc.constantFrom(1, 7, 50, 120), async (orderBy, limit) => {
        const wanted = runs.toSorted(compareRuns(orderBy)).map(({ id }) => id);
        const found: string[] = [];
        for (let hasMore = true; hasMore; ) {
          const page = await search(undefined, {
            orderBy,
            limit: limit === 1 ? 41 : limit,
            offset: found.length,
          });
          found.push(...page.ids);
          hasMore = page.hasMore;
        }
        expect(found).toEqual(wanted);
      }),
      { numRuns: 40 },
    );
  });

  it('looks into the experiments and the view that were named', async () => {
    for (const experiment of [0, 1]) {
      for (const view of ['active', 'deleted', 'all'] as const) {
        const wanted = runs.filter(
          (run) =>
            run.experiment === experiment && (view === 'all' || run.isDeleted === (view === 'deleted')),
        );
        const { ids } = await search(undefined, { experimentIds: [experiment], view });
        expect(ids.toSorted()).toEqual(wanted.map(({ id }) => id));
      }
    }
    expect((await search(undefined, { experimentIds: [] })).ids).toEqual([]);
  });
});

async function store({ kysely: db }: Database, runs: readonly StoredRun[]): Promise<void> {
  await db.insertInto('experiments').values({ id: 1, name: 'one' }).execute();
  for (const run of runs) {
    await db
      .insertInto('runs')
      .values({
        id: run.id,
        root_id: run.id,
        parent_id: null,
        node_index: 0,
        depth: 0,
        kind: 'external',
        name: run.name,
        path: '',
        depends_on: [],
        status: run.status,
        params: '{}',
        created_at: new Date(0),
      } as never)
      .execute();
    await db
      .insertInto('tracked_runs')
      .values({
        run_id: run.id,
        root_id: run.id,
        experiment_id: run.experiment,
        name: run.name,
        user_id: run.user,
        start_ms: run.startMs,
        end_ms: run.endMs,
        deleted_at: run.isDeleted ? new Date() : null,
      } as never)
      .execute();
    for (const [key, value] of Object.entries(run.params))
      await db.insertInto('run_params').values({ run_id: run.id, key, value }).execute();
    for (const [key, value] of Object.entries(run.tags))
      await db.insertInto('run_tags').values({ run_id: run.id, key, value }).execute();
    for (const [key, value] of Object.entries(run.metrics)) {
      await db
        .insertInto('metric_series')
        .values({
          run_id: run.id,
          key,
          first_step: 0,
          last_step: 0,
          last_attempt: 1,
          last_value: value,
          last_time: 0,
          count: 1,
          min: null,
          max: null,
        })
        .execute();
    }
    for (const [index, dataset] of run.datasets.entries()) {
      const { id } = await db
        .insertInto('tracked_datasets')
        .values({
          experiment_id: run.experiment,
          name: dataset.name,
          digest: `${dataset.digest}`,
          source_type: 's',
          source: `${run.id}${index}`,
          schema: null,
          profile: null,
        })
        .onConflict((conflict) =>
          conflict.columns(['experiment_id', 'name', 'digest']).doUpdateSet({ source: 's' }),
        )
        .returning('id')
        .executeTakeFirstOrThrow();
      const tags =
        dataset.context === undefined ? [] : [{ key: 'mlflow.data.context', value: dataset.context }];
      await db
        .insertInto('run_inputs')
        .values({ run_id: run.id, dataset_id: id, tags: JSON.stringify(tags) })
        .execute();
    }
  }
}
