import type { ClientBase } from 'pg';
import { decodePoints, type EncodedPoints, type Points } from '../ingest/index.ts';
import { int8Array } from '../ingest/sql-arrays.ts';
import { type LoggedPoint, type LogRequest, pairKey } from './log-request.ts';

export interface KnownSeries {
  readonly id: number;
  readonly runId: string;
  readonly key: string;
  readonly lastStep: number;
  readonly lastTime: number;
}

/**
 * Says which points are stored already, so that a batch that is sent again adds nothing. Only what lies at or before
 * the end of its series can be; of that, only chunks that hold such places are read.
 */
export async function storedPoints(
  client: ClientBase,
  series: readonly KnownSeries[],
  requests: readonly LogRequest[],
): Promise<(runId: string, point: LoggedPoint) => boolean> {
  const byPair = new Map(series.map((each) => [pairKey(each.runId, each.key), each]));
  const suspects = new Map<KnownSeries, LoggedPoint[]>();
  for (const { runId, points } of requests)
    for (const point of points) {
      const known = byPair.get(pairKey(runId, point.key));
      if (known === undefined || isAfter(point, known)) continue;
      const list = suspects.get(known);
      if (list === undefined) suspects.set(known, [point]);
      else list.push(point);
    }
  if (suspects.size === 0) return () => false;
  const stored = await readIdentities(client, suspects);
  return (runId, point) => {
    const known = byPair.get(pairKey(runId, point.key));
    return known !== undefined && stored.has(identity(known.id, point.step, point.time, point.value));
  };
}

function isAfter({ step, time }: LoggedPoint, { lastStep, lastTime }: KnownSeries): boolean {
  return step > lastStep || (step === lastStep && time > lastTime);
}

interface Header {
  readonly id: number;
  readonly seriesId: number;
  readonly firstStep: number;
  readonly firstTime: number;
  readonly lastStep: number;
  readonly lastTime: number;
}

async function readIdentities(
  client: ClientBase,
  suspects: ReadonlyMap<KnownSeries, readonly LoggedPoint[]>,
): Promise<ReadonlySet<string>> {
  const ranges = [...suspects].map(([{ id }, points]) => ({
    id,
    points,
    first: points.reduce((least, { step }) => Math.min(least, step), Number.POSITIVE_INFINITY),
    last: points.reduce((most, { step }) => Math.max(most, step), Number.NEGATIVE_INFINITY),
  }));
  const { rows: headers } = await client.query<Header>({
    name: 'tracking-chunks-at',
    text: `select c.id, c.series_id as "seriesId", c.first_step as "firstStep", c.first_time as "firstTime",
        c.last_step as "lastStep", c.last_time as "lastTime"
      from unnest($1::int8[], $2::int8[], $3::int8[]) as r (series_id, first_step, last_step)
      join metric_chunks c
        on c.series_id = r.series_id and c.first_step <= r.last_step and c.last_step >= r.first_step`,
    values: [
      int8Array(ranges.map(({ id }) => id)),
      int8Array(ranges.map(({ first }) => first)),
      int8Array(ranges.map(({ last }) => last)),
    ],
  });
  const pointsOf = new Map(ranges.map(({ id, points }) => [id, points]));
  const wanted = headers.filter((header) =>
    pointsOf.get(header.seriesId)?.some((point) => holdsPlace(header, point)),
  );
  const identities = new Set<string>();
  for (const { seriesId, count, ...chunk } of await readChunks(client, wanted)) {
    const places = new Set(pointsOf.get(seriesId)?.map(({ step, time }) => `${step} ${time}`));
    addIdentities(identities, seriesId, decodePoints(chunk, count), places);
  }
  return identities;
}

function holdsPlace(chunk: Header, { step, time }: LoggedPoint): boolean {
  const isBefore = step < chunk.firstStep || (step === chunk.firstStep && time < chunk.firstTime);
  const isBehind = step > chunk.lastStep || (step === chunk.lastStep && time > chunk.lastTime);
  return !isBefore && !isBehind;
}

async function readChunks(
  client: ClientBase,
  headers: readonly Header[],
): Promise<(EncodedPoints & { readonly seriesId: number; readonly count: number })[]> {
  if (headers.length === 0) return [];
  const { rows } = await client.query<EncodedPoints & { seriesId: number; count: number }>({
    name: 'tracking-read-chunks',
    text: `select series_id as "seriesId", n as count, codec, data from metric_chunks where id = any($1::int8[])`,
    values: [int8Array(headers.map(({ id }) => id))],
  });
  return rows;
}

function addIdentities(
  identities: Set<string>,
  seriesId: number,
  { steps, times, values }: Points,
  places: ReadonlySet<string>,
): void {
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    const time = times[i]!;
    if (places.has(`${step} ${time}`)) identities.add(identity(seriesId, step, time, values[i]!));
  }
}

function identity(seriesId: number, step: number, time: number, value: number): string {
  return `${seriesId} ${step} ${time} ${value}`;
}
