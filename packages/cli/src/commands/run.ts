import { randomUUID } from 'node:crypto';
import { basename, dirname, resolve } from 'node:path';
import type { Client } from '@trainyard/client';
import {
  DEFINITION_LIMITS,
  EXIT,
  exitCodeOfRun,
  type RunTree,
  type StartedRun,
  type SubmitRun,
} from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { type Connection, repeatWhenServerEnds } from '../connection.ts';
import { idOrNewest } from '../find-run.ts';
import { checkedFile, readPipelineFile, usedFiles, withFaultsOf } from '../pipeline-file.ts';
import { readPipelineRef } from '../pipeline-ref.ts';
import { hasLog, jobsOf } from '../run-logs.ts';
import { printWarnings } from '../view/run-plan-view.ts';
import { runDocument } from '../view/show-run.ts';
import { statusPaint } from '../view/style.ts';
import { errorText, runDuration } from '../view/tree-view.ts';
import { tellWaiting } from '../waiting-approvals.ts';
import { watchRun } from '../watch-run.ts';
import { withServer } from './runs.ts';

export interface RunOptions {
  readonly param?: Readonly<Record<string, string>>;
  readonly detach?: boolean;
  readonly only?: readonly string[];
  readonly waitForApproval?: boolean;
  /** False with --no-cache. */
  readonly cache?: boolean;
  readonly dryRun?: boolean;
  /** A run of which the file keeps what is still asked for in the same way. */
  readonly resumeFrom?: string;
}

/** Submits a pipeline file and, unless detached, shows it until its end. */
export async function runCommand(context: CliContext, file: string, options: RunOptions): Promise<number> {
  const source = await readPipelineFile(file);
  // A server takes no body of that size, so it could not say where the file passes the limit.
  const isTooLarge = Buffer.byteLength(source) > DEFINITION_LIMITS.maxBytes;
  if (isTooLarge || (context.url === undefined && !options.detach)) await checkedFile(source, file);
  const params = options.param ?? {};
  const more = {
    ...(options.only === undefined ? {} : { only: [...options.only] }),
    ...(await cacheOptions(source, file, options)),
  };
  const input = { source, file, params, more };
  const resumed = async (client: Client): Promise<SubmittedFile> => {
    if (options.resumeFrom === undefined) return input;
    return { ...input, more: { ...more, resumeFrom: await idOrNewest(client, options.resumeFrom) } };
  };
  if (!options.dryRun) {
    return runAndWatch(context, options, async (connection) => {
      const { id, warnings = [] } = await submit(connection, await resumed(connection.client));
      printWarnings(context, warnings);
      return id;
    });
  }
  const { dryRun } = await import('./dry-run.ts');
  return dryRun(context, async (client) => {
    const body = await requestOf(await resumed(client));
    return withFaultsOf(file, () => client.planRun(body));
  });
}

/** What a server cannot know of the files that cached stages depend on. */
async function cacheOptions(
  source: string,
  file: string,
  { cache }: RunOptions,
): Promise<Pick<SubmitRun, 'cacheBasis' | 'noCache'>> {
  const noCache = cache === false ? { noCache: true } : {};
  const texts = [source, ...Object.values(await usedFiles(source, file))];
  // Most pipelines cache nothing, and need not be read here.
  if (!texts.some((text) => /\bcache\b/.test(text))) return noCache;
  const { definition } = await checkedFile(source, file);
  const { readCacheBasis } = await import('../cache-basis.ts');
  const cacheBasis = await readCacheBasis(definition, dirname(resolve(file)));
  return { ...noCache, ...(cacheBasis === undefined ? {} : { cacheBasis }) };
}

/** As `runCommand`, for a registered pipeline: NAME or NAME@VERSION. */
export async function runRegisteredCommand(
  context: CliContext,
  text: string,
  options: RunOptions,
): Promise<number> {
  const { name, version } = readPipelineRef(text);
  const idempotencyKey = randomUUID();
  const body = {
    ...{ version, params: { ...options.param } },
    ...(options.cache === false ? { noCache: true } : {}),
    ...(options.only === undefined ? {} : { only: [...options.only] }),
  };
  if (options.dryRun) {
    const { dryRun } = await import('./dry-run.ts');
    return dryRun(context, (client) => client.pipelines.planRun(name, body));
  }
  return runAndWatch(context, options, async (connection) => {
    const { id } = await repeatWhenServerEnds(connection, () =>
      connection.client.pipelines.run(name, body, { idempotencyKey }),
    );
    return id;
  });
}

/** Starts a run and, unless detached, shows it until its end. */
export function runAndWatch(
  context: CliContext,
  options: Pick<RunOptions, 'detach' | 'waitForApproval'>,
  start: (connection: Connection) => Promise<string>,
): Promise<number> {
  // A platform of our own would end with this command, and the detached run with it.
  const otherwise = options.detach ? 'fail' : 'start server and agent';
  return withServer(
    context,
    async (connection) => {
      const id = await start(connection);
      if (options.detach) {
        context.out(context.json ? `${JSON.stringify({ id })}\n` : `${id}\n`);
        return EXIT.ok;
      }
      context.err(`run ${id}${connection.isOwn ? '' : `  ${connection.client.url}/runs/${id}`}\n`);
      const { tree, approvals } = await watchRun(context, connection, id, options);
      return finish(context, tree, () => tellWaiting(context, connection, id, approvals));
    },
    { otherwise, once: true },
  );
}

interface SubmittedFile {
  readonly source: string;
  readonly file: string;
  readonly params: Readonly<Record<string, string>>;
  readonly more?: Pick<SubmitRun, 'only' | 'cacheBasis' | 'noCache' | 'resumeFrom'>;
}

export async function requestOf({ source, file, params, more }: SubmittedFile): Promise<SubmitRun> {
  const files = await usedFiles(source, file);
  return {
    source,
    params,
    baseDir: dirname(resolve(file)),
    fileName: basename(file),
    ...(Object.keys(files).length === 0 ? {} : { files }),
    ...more,
  };
}

/** Submits the file. Faults of the definition come with the file's name. */
export async function submit(connection: Connection, input: SubmittedFile): Promise<StartedRun> {
  const run = await requestOf(input);
  const idempotencyKey = randomUUID();
  return withFaultsOf(input.file, () =>
    repeatWhenServerEnds(connection, () => connection.client.submitRun(run, { idempotencyKey })),
  );
}

function finish(context: CliContext, tree: RunTree, tellApprovals: () => void): number {
  const exitCode = exitCodeOfRun(tree.status) ?? EXIT.waitingForPerson;
  if (exitCode === EXIT.waitingForPerson) tellApprovals();
  if (context.json) {
    context.out(`${JSON.stringify(runDocument(tree), null, 2)}\n`);
  } else {
    const paint = statusPaint(tree.status, context.errStyle);
    const isOver = exitCode !== EXIT.waitingForPerson;
    if (isOver)
      context.err(`${tree.name} ${paint(tree.status)} after ${runDuration(tree, Date.now()) || '0 ms'}\n`);
    if (tree.error !== null) {
      context.err(`${context.errStyle.red(errorText(tree.error))}\n`);
      if (jobsOf(tree).some(hasLog)) context.err(`  see its log:  trainyard runs logs ${tree.id}\n`);
    }
    context.out(`${tree.id} ${tree.status}\n`);
  }
  return exitCode;
}
