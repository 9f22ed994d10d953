import { Readable } from 'node:stream';
import {
  type ChartBucket,
  chartAxis,
  chartSeries,
  metricLatest,
  metricPoints,
  type Run,
  refusedLines,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import {
  type ChartOfSeries,
  type LatestValue,
  MAX_CHART_BUCKETS,
  MAX_CHART_SERIES,
  type Points,
  readChart,
  readLatest,
  readLatestOfTree,
  readPoints,
  readRefusedLines,
  toMetricNumber,
} from '../ingest/index.ts';
import type { ServerContext } from '../server-context.ts';
import { createRunStore } from '../store/runs.ts';

const idParams = z.object({ id: z.string().max(100) });
const step = z.coerce.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER).optional();
/** A parameter that may be given once or several times. */
const list = z.union([z.string().max(1000), z.array(z.string().max(1000)).max(MAX_CHART_SERIES)]);
const latestItem = metricLatest.extend({ runId: z.string(), path: z.string() });

/** Points, latest values and charts. */
export function metricRoutes({ database }: ServerContext): FastifyPluginAsyncZod {
  const runs = createRunStore(database);
  return async (app) => {
    app.get(
      '/runs/:id/metrics',
      {
        config: { access: 'read' },
        schema: {
          tags: ['metrics'],
          params: idParams,
          querystring: z.object({ key: list.optional(), firstStep: step, lastStep: step }),
          response: { 200: metricPoints },
        },
      },
      async (request, reply) => {
        const { key, firstStep, lastStep } = request.query;
        const run = await runs.get(request.params.id);
        const keys = key === undefined ? undefined : toList(key);
        const points = await readPoints(database, producerOf(run), { keys, firstStep, lastStep });
        // Written piece by piece: as objects two million points would take a gigabyte. The type of `send` knows
        // only the object that the text stands for.
        const text = Readable.from(pointsAsJson(points)) as never;
        return reply.type('application/json; charset=utf-8').send(text);
      },
    );

    app.get(
      '/runs/:id/metrics/latest',
      {
        config: { access: 'read' },
        schema: {
          tags: ['metrics'],
          params: idParams,
          /** With `tree=true` of the run and all runs below it. */
          querystring: z.object({ tree: z.enum(['true', 'false']).default('false') }),
          response: { 200: z.object({ items: z.array(latestItem) }) },
        },
      },
      async (request) => {
        const run = await runs.get(request.params.id);
        if (request.query.tree === 'true') {
          const values = await readLatestOfTree(database, run);
          return { items: values.map((value) => ({ ...toLatest(value), path: value.path })) };
        }
        const values = await readLatest(database, [producerOf(run)]);
        return { items: values.map((value) => ({ ...toLatest(value), runId: run.id, path: run.path })) };
      },
    );

    app.get(
      '/runs/:id/metrics/refused',
      {
        config: { access: 'read' },
        schema: {
          tags: ['metrics'],
          params: idParams,
          response: { 200: z.object({ items: z.array(refusedLines) }) },
        },
      },
      async (request) => ({
        items: await readRefusedLines(database, await runs.get(request.params.id)),
      }),
    );

    app.get(
      '/charts',
      {
        config: { access: 'read' },
        schema: {
          tags: ['metrics'],
          querystring: z.object({
            run: list,
            key: list,
            buckets: z.coerce.number().int().min(1).max(MAX_CHART_BUCKETS).default(500),
            firstStep: step,
            lastStep: step,
            x: chartAxis.default('step'),
          }),
          response: { 200: z.object({ series: z.array(chartSeries) }) },
        },
      },
      async (request) => {
        const { run, key, ...rest } = request.query;
        const producers = await runs.producers(toList(run));
        const charts = await readChart(database, {
          runIds: [...new Set(producers.values())],
          keys: toList(key),
          ...rest,
        });
        return {
          series: seriesByRun(charts, producers).map((chart) => ({
            ...chart,
            buckets: chart.buckets.map(toChartBucket),
          })),
        };
      },
    );
  };
}

/** The run that wrote the metrics of a run: what a re-run kept, or the cache had, has those of the other run. */
function producerOf({ id, keptFrom, cachedFrom }: Run): string {
  return keptFrom ?? cachedFrom ?? id;
}

/** The charts under the runs that were asked for, of which several may have the same results. */
function seriesByRun<T extends { readonly runId: string }>(
  charts: readonly T[],
  producers: ReadonlyMap<string, string>,
): T[] {
  const byProducer = Map.groupBy(charts, ({ runId }) => runId);
  return [...producers].flatMap(([runId, producer]) =>
    (byProducer.get(producer) ?? []).map((chart) => ({ ...chart, runId })),
  );
}

/** Points written out at once, between two turns of the event loop. */
const POINTS_PER_PIECE = 5000;

function* pointsAsJson(series: ReadonlyMap<string, Points>): Generator<string> {
  let separator = '{';
  for (const [key, { steps, times, values }] of series) {
    yield `${separator}${JSON.stringify(key)}:[`;
    separator = ',';
    for (let from = 0; from < steps.length; from += POINTS_PER_PIECE) {
      const piece: string[] = [];
      for (let i = from; i < Math.min(steps.length, from + POINTS_PER_PIECE); i++) {
        const value = JSON.stringify(toMetricNumber(values[i]!));
        piece.push(`{"step":${steps[i]},"value":${value},"time":${times[i]}}`);
      }
      yield (from === 0 ? '' : ',') + piece.join(',');
    }
    yield ']';
  }
  yield separator === '{' ? '{}' : '}';
}

function toLatest(value: LatestValue) {
  const { runId, key, step, time, count, min, max } = value;
  return { runId, key, step, value: toMetricNumber(value.value), time, count, min, max };
}

function toChartBucket(bucket: ChartOfSeries['buckets'][number]): ChartBucket {
  const { firstStep, lastStep, count, nans, positives, negatives, min, max, sum } = bucket;
  const finite = count - nans - positives - negatives;
  return {
    ...{ firstStep, lastStep, count, nans, min, max },
    positiveInfinities: positives,
    negativeInfinities: negatives,
    mean: finite === 0 ? null : toMetricNumber(sum / finite),
    first: toMetricNumber(bucket.firstValue),
    last: toMetricNumber(bucket.lastValue),
    firstTime: bucket.firstTime,
    lastTime: bucket.lastTime,
    firstX: bucket.firstX,
    lastX: bucket.lastX,
  };
}

function toList(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}
