import type { ChartAxis } from '@trainyard/protocol';
import type { ClientBase } from 'pg';
import type { Bucket } from './chart-buckets.ts';
import type { StepInterval } from './pyramid-shape.ts';
import { type SeriesRow, seriesOfRuns, startsOfRuns } from './read-sql.ts';
import { bucketsOfSeries } from './series-buckets.ts';

/** Where a bucket lies on the axis: its first and its last point; null where that is not known. */
export interface AxisPlace {
  readonly firstX: number | null;
  readonly lastX: number | null;
}

/** The places of buckets of a run. */
export type AxisOfRun = (runId: string, buckets: readonly Bucket[]) => readonly AxisPlace[];

interface AxisRequest {
  readonly runIds: readonly string[];
  readonly x: ChartAxis;
  readonly range: StepInterval;
  readonly width: number;
}

/** Buckets are of steps on every axis: steps are what attempts replace each other by, and what all series share. */
export async function chartAxis(client: ClientBase, request: AxisRequest): Promise<AxisOfRun> {
  switch (request.x) {
    case 'step':
      return (_, buckets) =>
        buckets.map(({ firstStep, lastStep }) => ({ firstX: firstStep, lastX: lastStep }));
    case 'wall':
      return (_, buckets) =>
        buckets.map(({ firstTime, lastTime }) => ({ firstX: firstTime, lastX: lastTime }));
    case 'relative': {
      const starts = await startsOfRuns(client, request.runIds);
      return (runId, buckets) =>
        buckets.map(({ firstTime, lastTime }) => {
          const startMs = starts.get(runId);
          return startMs === undefined ? NOWHERE : { firstX: firstTime - startMs, lastX: lastTime - startMs };
        });
    }
    case 'epoch': {
      const epochs = await readEpochs(client, request);
      return (runId, buckets) => placesByEpoch(buckets, epochs.get(runId) ?? [], request.width);
    }
  }
}

const NOWHERE: AxisPlace = { firstX: null, lastX: null };
const EPOCH_KEY = 'epoch';

/** The metric `epoch` of each run in buckets of the chart, with one or two for all that was before. */
async function readEpochs(client: ClientBase, request: AxisRequest): Promise<Map<string, Bucket[]>> {
  const { range, width } = request;
  const series = await seriesOfRuns(client, request.runIds, [EPOCH_KEY]);
  const inRange = await bucketsOfSeries(client, series, range, width);
  const before = await bucketsBefore(client, series, range.firstStep);
  return new Map(
    series.map(({ id, runId }) => [runId, [...(before.get(id) ?? []), ...(inRange.get(id) ?? [])]]),
  );
}

async function bucketsBefore(
  client: ClientBase,
  series: readonly SeriesRow[],
  step: number,
): Promise<Map<number, Bucket[]>> {
  const firstStep = Math.min(...series.map((each) => each.firstStep));
  if (!(firstStep < step)) return new Map();
  const width = 2 ** Math.ceil(Math.log2(step - firstStep + 1));
  return bucketsOfSeries(client, series, { firstStep, lastStep: step - 1 }, width);
}

/** The epoch at the first and last step of each bucket: the one that was told last. */
function placesByEpoch(buckets: readonly Bucket[], epochs: readonly Bucket[], width: number): AxisPlace[] {
  let at = 0;
  let current: number | null = null;
  return buckets.map(({ firstStep, lastStep }) => {
    const end = (Math.floor(firstStep / width) + 1) * width;
    for (; at < epochs.length && epochs[at]!.lastStep < firstStep; at += 1) current = epochs[at]!.lastValue;
    const own = epochs[at];
    if (own === undefined || own.firstStep >= end) return { firstX: current, lastX: current };
    const firstX = own.firstStep <= firstStep || current === null ? own.firstValue : current;
    const lastX = own.firstStep > lastStep ? firstX : own.lastValue;
    return { firstX, lastX };
  });
}
