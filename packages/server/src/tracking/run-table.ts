import type { RunTable } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { toMetricNumber } from '../ingest/metric-number.ts';
import type { Field } from '../search/filter.ts';
import { printField } from '../search/print-filter.ts';
import { KEYED_RUN_FIELDS, RUN_FIELDS, SEARCHED_RUNS } from '../search/run-fields.ts';
import { isNumberField, SEARCHABLE } from '../search/searchable.ts';
import type { Schema } from '../store/schema.ts';

type Cell = number | string | null;

/** Chosen fields of runs, column by column, in the order of the ids. Of metrics the latest value. */
export async function readRunTable(
  db: Kysely<Schema>,
  ids: readonly string[],
  fields: readonly Field[],
): Promise<RunTable['columns']> {
  const attributes = await readAttributes(db, ids, fields);
  const keyed = new Map<string, Cell[]>();
  for (const group of ['metric', 'param', 'tag'] as const) {
    for (const [key, cells] of await readKeyed(db, ids, group, fields)) keyed.set(`${group} ${key}`, cells);
  }
  return fields.map((field) => ({
    name: printField(field),
    type: isNumberField(SEARCHABLE.runs, field) ? ('number' as const) : ('text' as const),
    values:
      (field.group === 'attribute' ? attributes.get(field.key) : keyed.get(`${field.group} ${field.key}`)) ??
      ids.map(() => null),
  }));
}

async function readAttributes(
  db: Kysely<Schema>,
  ids: readonly string[],
  fields: readonly Field[],
): Promise<ReadonlyMap<string, Cell[]>> {
  const keys = fields.filter(({ group }) => group === 'attribute').map(({ key }) => key);
  const columns = keys.map((key) => sql`${RUN_FIELDS.attribute(key)} as ${sql.id(key)}`);
  const { rows } = await sql<Record<string, Cell>>`
    select ${sql.join(columns)} from unnest(${ids}::text[]) with ordinality as w (id, place)
    join ${SEARCHED_RUNS} on t.run_id = w.id order by w.place`.execute(db);
  return new Map(keys.map((key) => [key, rows.map((row) => row[key] ?? null)]));
}

/** One row for each key: a row for each cell would cost the driver more than the search. */
async function readKeyed(
  db: Kysely<Schema>,
  ids: readonly string[],
  group: keyof typeof KEYED_RUN_FIELDS,
  fields: readonly Field[],
): Promise<ReadonlyMap<string, Cell[]>> {
  const keys = fields.filter((field) => field.group === group).map(({ key }) => key);
  if (keys.length === 0) return new Map();
  const { table, value } = KEYED_RUN_FIELDS[group];
  const { rows } = await sql<{ key: string; places: number[]; cells: (number | string)[] }>`
    select x.key, array_agg(w.place::int4 - 1) as places, array_agg(x.${sql.id(value)}) as cells
    from unnest(${ids}::text[]) with ordinality as w (id, place) join ${sql.table(table)} x on x.run_id = w.id
    where x.key = any(${keys}::text[]) group by x.key`.execute(db);
  return new Map(
    rows.map(({ key, places, cells }) => {
      const column = new Array<Cell>(ids.length).fill(null);
      for (const [index, place] of places.entries()) {
        const cell = cells[index]!;
        column[place] = typeof cell === 'number' ? toMetricNumber(cell) : cell;
      }
      return [key, column];
    }),
  );
}
