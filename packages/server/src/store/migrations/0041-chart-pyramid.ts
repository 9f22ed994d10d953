import { type Kysely, sql } from 'kysely';

/**
 * What charts read instead of points (docs/decisions/0051-charts-as-a-pyramid.md). Derived from metric_chunks: it may
 * be deleted at any time and is built again.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // Null in chunks that an older version wrote: they are decoded.
  `alter table metric_chunks add column sum double precision, add column nans int, add column positives int,
    add column negatives int`,
  `create table metric_pyramids (
    series_id bigint primary key,
    through_id bigint not null,
    loose json not null,
    base_level smallint not null,
    top_level smallint not null,
    attempts json not null
  )`,
  `create table metric_tiles (
    series_id bigint not null,
    attempt int not null,
    level smallint not null,
    tile bigint not null,
    data bytea not null,
    primary key (series_id, level, tile, attempt)
  )`,
  'alter table metric_tiles alter column data set storage external',
];
