import type { Client } from '@trainyard/client';
import {
  CATCH_UP_POLICIES,
  type CatchUpPolicy,
  EXIT,
  type Launch,
  OVERLAP_POLICIES,
  type OverlapPolicy,
  type Schedule,
  TrainyardError,
} from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { pause } from '../interrupt.ts';
import { readDuration } from '../options/duration-option.ts';
import { readPipelineRef } from '../pipeline-ref.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface AddScheduleOptions {
  readonly pipeline: string;
  readonly cron: string;
  readonly timezone?: string;
  readonly param?: Readonly<Record<string, string>>;
  readonly catchUp?: string;
  readonly overlap?: string;
  readonly jitter?: string;
  readonly startAt?: string;
  readonly endAt?: string;
}

export interface ShowScheduleOptions {
  readonly limit: number;
}

/** How long `schedules run-now` waits for the id of its run. */
const START_WAIT_MS = 30_000;
const POLL_MS = 200;

export function addScheduleCommand(
  context: CliContext,
  name: string,
  options: AddScheduleOptions,
): Promise<number> {
  const { name: pipeline, version } = readPipelineRef(options.pipeline);
  const body = {
    name,
    pipeline,
    version,
    cron: options.cron,
    params: { ...options.param },
    ...(options.timezone === undefined ? {} : { timezone: options.timezone }),
    ...(options.catchUp === undefined ? {} : { catchUp: readCatchUp(options.catchUp) }),
    ...(options.overlap === undefined ? {} : { overlap: readOverlap(options.overlap) }),
    ...(options.jitter === undefined ? {} : { jitterMs: readDuration('jitter', options.jitter) }),
    ...(options.startAt === undefined ? {} : { startAt: options.startAt }),
    ...(options.endAt === undefined ? {} : { endAt: options.endAt }),
  };
  return withServer(
    context,
    async ({ client }) => {
      const added = await client.schedules.add(body);
      if (context.json) context.out(`${JSON.stringify(added)}\n`);
      else context.out(`${added.id}  next at ${added.nextAt}\n`);
      return EXIT.ok;
    },
    { once: true },
  );
}

export function listSchedulesCommand(context: CliContext): Promise<number> {
  return withServer(context, async ({ client }) => {
    const schedules = await client.schedules.list();
    if (context.json) {
      context.out(`${JSON.stringify(schedules, null, 2)}\n`);
      return EXIT.ok;
    }
    if (schedules.length === 0) context.err('No schedules.\n');
    const rows = schedules.map((one) => [
      one.name,
      pipelineOf(one),
      one.cron,
      one.timezone,
      one.pausedAt === null ? (one.nextAt ?? 'never') : 'paused',
      one.lastLaunch === null ? '-' : launchText(one.lastLaunch),
    ]);
    context.out(table(['name', 'pipeline', 'cron', 'time zone', 'next', 'last'], rows));
    return EXIT.ok;
  });
}

export function showScheduleCommand(
  context: CliContext,
  name: string,
  { limit }: ShowScheduleOptions,
): Promise<number> {
  return withServer(context, async ({ client }) => {
    const one = await client.schedules.get(name);
    const { items } = await client.schedules.launches(name, { limit });
    if (context.json) {
      context.out(`${JSON.stringify({ ...one, launches: items }, null, 2)}\n`);
      return EXIT.ok;
    }
    context.out(`${one.name}  ${one.id}\n`);
    for (const [label, text] of fieldsOf(one)) context.out(`${label.padEnd(10)}${text}\n`);
    context.out(`\n${launchTable(items)}`);
    return EXIT.ok;
  });
}

export function pauseScheduleCommand(
  context: CliContext,
  name: string,
  reason: string | undefined,
): Promise<number> {
  return change(context, (client) => client.schedules.pause(name, reason === undefined ? {} : { reason }));
}

export function resumeScheduleCommand(context: CliContext, name: string): Promise<number> {
  return change(context, (client) => client.schedules.resume(name));
}

export function removeScheduleCommand(context: CliContext, name: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    await client.schedules.remove(name);
    context.out(context.json ? `${JSON.stringify({ name, removed: true })}\n` : `${name} removed\n`);
    return EXIT.ok;
  });
}

/** Plans a run for now and waits until it was started, or must wait for another one. */
export function runNowCommand(context: CliContext, name: string): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      let found = await client.schedules.runNow(name);
      const { id } = found;
      const signal = AbortSignal.timeout(START_WAIT_MS);
      while ((found.state === 'waiting' || found.state === 'starting') && !signal.aborted) {
        await pause(POLL_MS, signal);
        const { items } = await client.schedules.launches(name, { limit: 20 });
        found = items.find((one) => one.id === id) ?? found;
      }
      if (context.json) context.out(`${JSON.stringify(found)}\n`);
      else context.out(`${found.runId ?? launchText(found)}\n`);
      return found.state === 'refused' || found.state === 'skipped' ? EXIT.failed : EXIT.ok;
    },
    { once: true },
  );
}

export function nextInstantsCommand(context: CliContext, name: string, count: number): Promise<number> {
  return withServer(context, async ({ client }) => {
    const instants = await client.schedules.next(name, { count });
    if (context.json) context.out(`${JSON.stringify(instants)}\n`);
    else for (const instant of instants) context.out(`${instant}\n`);
    return EXIT.ok;
  });
}

/** One line per planned run. */
export function launchTable(launches: readonly Launch[]): string {
  const rows = launches.map((one) => [
    one.at,
    one.state === 'ended' ? (one.runStatus ?? one.state) : one.state,
    one.runId ?? '-',
    one.isManual ? 'by hand' : (one.reason ?? '-'),
  ]);
  return table(['for', 'state', 'run', 'note'], rows);
}

function change(context: CliContext, work: (client: Client) => Promise<Schedule>): Promise<number> {
  return withServer(context, async ({ client }) => {
    const one = await work(client);
    if (context.json) context.out(`${JSON.stringify(one)}\n`);
    else if (one.pausedAt !== null) context.out(`${one.name} is paused\n`);
    else context.out(`${one.name} runs next at ${one.nextAt ?? 'no time'}\n`);
    return EXIT.ok;
  });
}

function fieldsOf(one: Schedule): [string, string][] {
  const paused =
    one.pausedAt === null
      ? ''
      : `since ${one.pausedAt}${one.pauseReason === null ? '' : `: ${one.pauseReason}`}`;
  const fields: [string, string][] = [
    ['pipeline', pipelineOf(one)],
    ['cron', `${one.cron} (${one.timezone})`],
    ['catch-up', `${one.catchUp}: ${CATCH_UP_POLICIES[one.catchUp]}`],
    ['overlap', `${one.overlap}: ${OVERLAP_POLICIES[one.overlap]}`],
    ['jitter', one.jitterMs === 0 ? '' : `${one.jitterMs / 1000} s`],
    ['from', one.startAt ?? ''],
    ['until', one.endAt ?? ''],
    ['next', one.nextAt ?? 'never'],
    ['paused', paused],
    ...Object.entries(one.params).map(([param, value]): [string, string] => [
      'param',
      `${param} = ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ]),
  ];
  return fields.filter(([, text]) => text !== '');
}

function launchText({ at, state, runStatus, reason }: Launch): string {
  return `${state === 'ended' ? runStatus : state} for ${at}${reason === null ? '' : ` (${reason})`}`;
}

function pipelineOf({ pipeline, version }: Pick<Schedule, 'pipeline' | 'version'>): string {
  return version === 'latest' ? pipeline : `${pipeline}@${version}`;
}

function readCatchUp(text: string): CatchUpPolicy {
  if (Object.hasOwn(CATCH_UP_POLICIES, text)) return text as CatchUpPolicy;
  throw noneOf('catch-up', text, Object.keys(CATCH_UP_POLICIES));
}

function readOverlap(text: string): OverlapPolicy {
  if (Object.hasOwn(OVERLAP_POLICIES, text)) return text as OverlapPolicy;
  throw noneOf('overlap', text, Object.keys(OVERLAP_POLICIES));
}

function noneOf(option: string, text: string, words: readonly string[]): TrainyardError {
  return new TrainyardError('USAGE', `--${option} "${text}" is none of ${words.join(', ')}.`);
}
