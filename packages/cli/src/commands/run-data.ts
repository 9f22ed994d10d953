import { EXIT, type RunEvent, type RunTree } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { type Connection, repeatWhenServerEnds } from '../connection.ts';
import { findStage, idOrNewest } from '../find-run.ts';
import { hasLog, jobsOf, type LogOptions, writeLogLines, writeLogText, writeRawLog } from '../run-logs.ts';
import { streamToStdout } from '../stdout-reader.ts';
import { formatMetric } from '../view/metric-notes.ts';
import { table } from '../view/table.ts';
import { oneLine } from '../view/tree-view.ts';
import { withServer } from './runs.ts';

export interface StageOptions {
  readonly stage?: string;
}

export function logsCommand(
  context: CliContext,
  id: string | undefined,
  options: StageOptions & LogOptions,
): Promise<number> {
  const write = (connection: Connection): Promise<number> =>
    streamToStdout(async (signal) => {
      const run = await repeatWhenServerEnds(connection, async () =>
        findStage(connection.client, await idOrNewest(connection.client, id), options.stage),
      );
      const { client } = connection;
      if (options.text === true) {
        await writeLogText(client, run.id, options, signal);
        return;
      }
      if (run.kind === 'job' && !options.timestamps && !context.json) {
        await writeRawLog(client, run.id, options, signal);
      } else {
        await writeLogLines(context, client, run.id, options, signal);
      }
      if (!options.follow) noteIfEmpty(context, run);
    });
  return withServer(context, write, { once: true });
}

function noteIfEmpty(context: CliContext, run: RunTree): void {
  if (!jobsOf(run).some(hasLog)) context.err('No job of this run has started.\n');
}

export function metricsCommand(
  context: CliContext,
  id: string | undefined,
  options: StageOptions & { readonly key?: readonly string[] },
): Promise<number> {
  return withServer(context, async ({ client }) => {
    const run = await findStage(client, await idOrNewest(client, id), options.stage);
    if (context.json) {
      const points = await client.getMetrics(run.id, options.key === undefined ? {} : { keys: options.key });
      context.out(`${JSON.stringify(points)}\n`);
      return EXIT.ok;
    }
    const latest = await client.getLatestMetrics(run.id, { tree: true });
    const chosen = latest.filter((item) => options.key === undefined || options.key.includes(item.key));
    if (chosen.length === 0) context.err('No metrics.\n');
    const rows = chosen.map((item) => [
      item.path,
      item.key,
      String(item.count),
      String(item.step),
      formatMetric(item.value),
      item.min === null ? '-' : formatMetric(item.min),
      item.max === null ? '-' : formatMetric(item.max),
    ]);
    context.out(table(['stage', 'metric', 'points', 'last step', 'last', 'min', 'max'], rows));
    return EXIT.ok;
  });
}

export function eventsCommand(
  context: CliContext,
  id: string | undefined,
  options: { readonly follow: boolean },
): Promise<number> {
  const write = (connection: Connection): Promise<number> =>
    streamToStdout(async (signal) => {
      const runId = await repeatWhenServerEnds(connection, () => idOrNewest(connection.client, id));
      const { client } = connection;
      if (options.follow) {
        for await (const event of client.followEvents(runId, { signal })) {
          context.out(eventText(context, event));
        }
        return;
      }
      for (let afterSeq = 0; ; ) {
        const { items, nextSeq } = await client.listEvents(runId, { afterSeq, signal });
        for (const event of items) context.out(eventText(context, event));
        if (items.length === 0 || nextSeq <= afterSeq) return;
        afterSeq = nextSeq;
      }
    });
  return withServer(context, write, { once: true });
}

function eventText(context: CliContext, event: RunEvent): string {
  if (context.json) return `${JSON.stringify(event)}\n`;
  const data = Object.entries(event.data)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? oneLine(value) : JSON.stringify(value)}`);
  const { dim, cyan } = context.outStyle;
  return `${dim(event.at)} ${cyan(event.path || '(root)')} ${event.type} ${data.join(' ')}`
    .trimEnd()
    .concat('\n');
}
