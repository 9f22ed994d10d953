import type { ClientBase, Pool } from 'pg';
import { SMALL_CHUNK_POINTS } from './merge-plan.ts';
import type { PyramidShape } from './pyramid-shape.ts';
import { int2Array, int4Array, int8Array, packBytes } from './sql-arrays.ts';

/** What is in the tiles of a series. */
export interface Pyramid extends PyramidShape {
  readonly seriesId: number;
  /** Chunks up to this id are in the tiles, ... */
  readonly throughId: number;
  /** ... but for these small ones. */
  readonly loose: readonly number[];
  readonly attempts: readonly PyramidAttempt[];
}

interface PyramidAttempt {
  readonly attempt: number;
  readonly firstStep: number;
  readonly lastStep: number;
  readonly count: number;
}

export interface TilePlace {
  readonly attempt: number;
  readonly level: number;
  readonly tile: number;
}

export interface Tile extends TilePlace {
  readonly seriesId: number;
  readonly data: Buffer;
}

/** Tiles of a level, both ends included. */
export interface TileRange {
  readonly seriesId: number;
  readonly level: number;
  readonly firstTile: number;
  readonly lastTile: number;
}

export async function readPyramids(client: ClientBase, seriesIds: readonly number[]): Promise<Pyramid[]> {
  const { rows } = await client.query<Pyramid>({
    name: 'pyramid-read',
    text: `select series_id as "seriesId", through_id as "throughId", loose, base_level as "baseLevel",
        top_level as "topLevel", attempts
      from metric_pyramids where series_id = any($1::int8[])`,
    values: [int8Array(seriesIds)],
  });
  return rows;
}

export async function writePyramid(client: ClientBase, pyramid: Pyramid): Promise<void> {
  const { seriesId, throughId, loose, baseLevel, topLevel, attempts } = pyramid;
  await client.query({
    name: 'pyramid-write',
    text: `insert into metric_pyramids (series_id, through_id, loose, base_level, top_level, attempts)
      values ($1, $2, $3, $4, $5, $6)
      on conflict (series_id) do update set through_id = excluded.through_id, loose = excluded.loose,
        base_level = excluded.base_level, top_level = excluded.top_level, attempts = excluded.attempts`,
    values: [seriesId, throughId, JSON.stringify(loose), baseLevel, topLevel, JSON.stringify(attempts)],
  });
}

/** It is built anew at the next compaction. */
export async function deletePyramid(client: ClientBase, seriesId: number): Promise<void> {
  await client.query({
    name: 'pyramid-delete',
    text: `with tiles as (delete from metric_tiles where series_id = $1)
      delete from metric_pyramids where series_id = $1`,
    values: [seriesId],
  });
}

/** The tiles of these ranges that hold points, of all attempts. */
export async function readTiles(client: ClientBase, ranges: readonly TileRange[]): Promise<Tile[]> {
  const { rows } = await client.query<Tile>({
    name: 'pyramid-read-tiles',
    text: `select t.series_id as "seriesId", t.attempt, t.level, t.tile, t.data
      from unnest($1::int8[], $2::int2[], $3::int8[], $4::int8[]) as r (series_id, level, first, last)
      cross join lateral (select * from metric_tiles m where m.series_id = r.series_id
        and m.level = r.level and m.tile >= r.first and m.tile <= r.last) t`,
    values: [
      int8Array(ranges.map((range) => range.seriesId)),
      int2Array(ranges.map((range) => range.level)),
      int8Array(ranges.map((range) => range.firstTile)),
      int8Array(ranges.map((range) => range.lastTile)),
    ],
  });
  return rows;
}

export async function writeTiles(client: ClientBase, tiles: readonly Tile[]): Promise<void> {
  const packed = packBytes(tiles.map((tile) => tile.data));
  await client.query({
    name: 'pyramid-write-tiles',
    text: `insert into metric_tiles (series_id, attempt, level, tile, data)
      select t.series_id, t.attempt, t.level, t.tile, substring($5::bytea from t.start for t.length)
      from unnest($1::int8[], $2::int4[], $3::int2[], $4::int8[], $6::int4[], $7::int4[])
        as t (series_id, attempt, level, tile, start, length)
      on conflict (series_id, level, tile, attempt) do update set data = excluded.data`,
    values: [
      int8Array(tiles.map((tile) => tile.seriesId)),
      int4Array(tiles.map((tile) => tile.attempt)),
      int2Array(tiles.map((tile) => tile.level)),
      int8Array(tiles.map((tile) => tile.tile)),
      packed.data,
      int4Array(packed.starts),
      int4Array(packed.lengths),
    ],
  });
}

/** Those of these series of which at least so many large chunks are not in the tiles. */
export async function seriesToGrow(
  pool: Pool,
  seriesIds: readonly number[],
  leastChunks: number,
): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>({
    name: 'pyramid-to-grow',
    text: `select c.series_id as id from metric_chunks c
      left join metric_pyramids p on p.series_id = c.series_id
      where c.series_id = any($1::int8[]) and c.n >= ${SMALL_CHUNK_POINTS}
        and c.id > coalesce(p.through_id, 0)
      group by c.series_id having count(*) >= $2 order by c.series_id`,
    values: [int8Array(seriesIds), leastChunks],
  });
  return rows.map((row) => row.id);
}

/** A chunk as far as it tells what is to be done with it. */
export interface ChunkOutline {
  readonly id: number;
  readonly attempt: number;
  readonly count: number;
  readonly firstStep: number;
  readonly lastStep: number;
}

/** All chunks of a series, by id. */
export async function chunkOutlines(client: ClientBase, seriesId: number): Promise<ChunkOutline[]> {
  const { rows } = await client.query<ChunkOutline>({
    name: 'pyramid-outlines',
    text: `select id, attempt, n as count, first_step as "firstStep", last_step as "lastStep"
      from metric_chunks where series_id = $1 order by id`,
    values: [seriesId],
  });
  return rows;
}
