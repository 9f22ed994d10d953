import type { Client } from '@trainyard/client';
import { type Backfill, type CreateBackfill, EXIT, type Launch, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { type Connection, isConnectionFault, repeatWhenServerEnds } from '../connection.ts';
import { guardInterrupts, pause } from '../interrupt.ts';
import { readDuration } from '../options/duration-option.ts';
import { readPipelineRef } from '../pipeline-ref.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';
import { launchTable } from './schedules.ts';

export interface BackfillOptions {
  readonly from: string;
  readonly to: string;
  readonly cron?: string;
  readonly every?: string;
  readonly timezone?: string;
  readonly param?: Readonly<Record<string, string>>;
  readonly maxParallel?: number;
  readonly order?: string;
  readonly again?: boolean;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
}

export interface ShowBackfillOptions {
  readonly limit: number;
}

const POLL_MS = 500;

/** Starts a backfill and, unless detached, shows its progress until its end. */
export function backfillCommand(
  context: CliContext,
  pipeline: string,
  options: BackfillOptions,
): Promise<number> {
  const body = bodyOf(pipeline, options);
  if (options.dryRun === true) return withServer(context, ({ client }) => showPlan(context, client, body));
  return withServer(
    context,
    async (connection) => {
      const started = await connection.client.backfills.add(body);
      if (options.detach === true) {
        context.out(context.json ? `${JSON.stringify(started)}\n` : `${started.id}\n`);
        return EXIT.ok;
      }
      context.err(`backfill ${started.id}\n`);
      const ended = await watch(context, connection, started);
      if (context.json) context.out(`${JSON.stringify(ended)}\n`);
      else context.out(`${ended.id} ${ended.status}: ${progressText(ended)}\n`);
      return exitCodeOf(ended);
    },
    // A platform of our own would end with this command, and the detached backfill with it.
    { otherwise: options.detach === true ? 'fail' : 'start server and agent', once: true },
  );
}

export function listBackfillsCommand(context: CliContext, limit: number): Promise<number> {
  return withServer(context, async ({ client }) => {
    const { items } = await client.backfills.list({ limit });
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0) context.err('No backfills.\n');
    const rows = items.map((one) => [
      one.id,
      `${one.pipeline}@${one.version}`,
      one.status,
      progressText(one),
      one.from,
      one.to,
    ]);
    context.out(table(['id', 'pipeline', 'status', 'progress', 'from', 'to'], rows));
    return EXIT.ok;
  });
}

export function showBackfillCommand(
  context: CliContext,
  id: string,
  { limit }: ShowBackfillOptions,
): Promise<number> {
  return withServer(context, async ({ client }) => {
    const one = await client.backfills.get(id);
    const items = await launchesOf(client, id, limit);
    if (context.json) {
      context.out(`${JSON.stringify({ ...one, items }, null, 2)}\n`);
      return EXIT.ok;
    }
    context.out(`${one.id}  ${one.pipeline}@${one.version}  ${one.status}\n${progressText(one)}\n\n`);
    context.out(launchTable(items));
    return EXIT.ok;
  });
}

export function cancelBackfillCommand(context: CliContext, id: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const one = await client.backfills.cancel(id);
    context.out(context.json ? `${JSON.stringify(one)}\n` : `${one.id} ${one.status}\n`);
    return EXIT.ok;
  });
}

async function launchesOf(client: Client, id: string, limit: number): Promise<Launch[]> {
  const items: Launch[] = [];
  for (let cursor: string | null = ''; cursor !== null && items.length < limit; ) {
    const page = await client.backfills.launches(id, {
      limit: Math.min(500, limit - items.length),
      ...(cursor === '' ? {} : { cursor }),
    });
    items.push(...page.items);
    cursor = page.nextCursor;
  }
  return items;
}

async function showPlan(context: CliContext, client: Client, body: CreateBackfill): Promise<number> {
  const plan = await client.backfills.plan(body);
  if (context.json) {
    context.out(`${JSON.stringify(plan, null, 2)}\n`);
    return EXIT.ok;
  }
  const rows = plan.items.map(({ at, completedBy, params }) => [
    at,
    completedBy === null ? 'run' : `leave out: ${completedBy} has completed`,
    params === undefined ? '…' : JSON.stringify(params),
  ]);
  context.out(table(['for', 'what', 'params'], rows));
  const toRun = plan.items.filter(({ completedBy }) => completedBy === null).length;
  context.err(
    `${toRun} of ${plan.items.length} runs of ${plan.pipeline}@${plan.version}. Nothing was started.\n`,
  );
  return EXIT.ok;
}

async function watch(context: CliContext, connection: Connection, started: Backfill): Promise<Backfill> {
  const guard = guardInterrupts(() =>
    context.err(
      `The backfill goes on where a server runs. To end it: trainyard backfills cancel ${started.id}\n`,
    ),
  );
  let shown = '';
  try {
    for (let now = started; ; now = await read(connection, started.id, guard.signal)) {
      const text = progressText(now);
      if (text !== shown) context.err(`${text}\n`);
      shown = text;
      if (now.status !== 'running' && now.status !== 'cancelling') return now;
      await pause(POLL_MS, guard.signal);
      guard.signal.throwIfAborted();
    }
  } finally {
    guard.release();
  }
}

async function read(connection: Connection, id: string, signal: AbortSignal): Promise<Backfill> {
  try {
    return await repeatWhenServerEnds(connection, () => connection.client.backfills.get(id, { signal }));
  } catch (error) {
    signal.throwIfAborted();
    if (!isConnectionFault(error)) throw error;
    await connection.recover(signal);
    return connection.client.backfills.get(id, { signal });
  }
}

function progressText({ launches, succeeded, failed }: Backfill): string {
  const total = Object.values(launches).reduce((sum, count) => sum + count, 0);
  const parts = [
    [succeeded, 'completed'],
    [failed, 'failed or cancelled'],
    [launches.refused, 'refused'],
    [launches.skipped, 'left out'],
    [launches.starting + launches.running, 'running'],
    [launches.waiting, 'waiting'],
  ] as const;
  return `${parts.flatMap(([count, text]) => (count > 0 ? [`${count} ${text}`] : [])).join(', ')} of ${total}`;
}

function exitCodeOf({ status }: Backfill): number {
  if (status === 'completed') return EXIT.ok;
  return status === 'cancelled' ? EXIT.cancelled : EXIT.failed;
}

function bodyOf(text: string, options: BackfillOptions): CreateBackfill {
  const { name: pipeline, version } = readPipelineRef(text);
  const { cron, every, order = 'oldest' } = options;
  if ((cron === undefined) === (every === undefined)) {
    throw new TrainyardError('USAGE', 'Give exactly one of --cron and --every, for example --every 1d.');
  }
  if (order !== 'oldest' && order !== 'newest') {
    throw new TrainyardError('USAGE', `--order "${order}" is neither oldest nor newest.`);
  }
  return {
    pipeline,
    version,
    from: options.from,
    to: options.to,
    params: { ...options.param },
    order,
    again: options.again === true,
    ...(cron === undefined ? {} : { cron }),
    ...(every === undefined ? {} : { everyMs: readDuration('every', every) }),
    ...(options.timezone === undefined ? {} : { timezone: options.timezone }),
    ...(options.maxParallel === undefined ? {} : { maxParallel: options.maxParallel }),
  };
}
