import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import {
  DEFINITION_LIMITS,
  type DefinitionFault,
  EXIT,
  exitCodeOfRun,
  type RunTree,
  TrainyardError,
} from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { type Connection, repeatWhenServerEnds } from '../connection.ts';
import { runDocument } from '../show-run.ts';
import { statusPaint } from '../style.ts';
import { errorText, runDuration } from '../tree-view.ts';
import { watchRun } from '../watch-run.ts';
import { withServer } from './runs.ts';

export interface RunOptions {
  readonly param?: Readonly<Record<string, string>>;
  readonly detach?: boolean;
}

/** Submits a pipeline file and, unless detached, shows it until its end. */
export async function runCommand(context: CliContext, file: string, options: RunOptions): Promise<number> {
  const source = await readPipelineFile(file);
  // A platform of our own would end with this command, and the detached run with it.
  const otherwise = options.detach ? 'fail' : 'start server and agent';
  // A server takes no body of that size, so it could not say where the file passes the limit.
  const isTooLarge = Buffer.byteLength(source) > DEFINITION_LIMITS.maxBytes;
  if (isTooLarge || (context.url === undefined && !options.detach)) await refuseFaults(source, file);
  return withServer(
    context,
    async (connection) => {
      const id = await submit(connection, { source, file, params: options.param ?? {} });
      if (options.detach) {
        context.out(context.json ? `${JSON.stringify({ id })}\n` : `${id}\n`);
        return EXIT.ok;
      }
      context.err(`run ${id}${connection.isOwn ? '' : `  ${connection.client.url}/runs/${id}`}\n`);
      const tree = await watchRun(context, connection, id);
      return finish(context, tree);
    },
    { otherwise, once: true },
  );
}

/** Submits and gives the id. Faults of the definition come with the file's name. */
export async function submit(
  connection: Connection,
  input: { source: string; file: string; params: Readonly<Record<string, string>> },
): Promise<string> {
  const run = {
    source: input.source,
    params: input.params,
    baseDir: dirname(resolve(input.file)),
    fileName: basename(input.file),
  };
  const idempotencyKey = randomUUID();
  try {
    const { id } = await repeatWhenServerEnds(connection, () =>
      connection.client.submitRun(run, { idempotencyKey }),
    );
    return id;
  } catch (error) {
    if (!(error instanceof TrainyardError) || error.code !== 'INVALID_DEFINITION') throw error;
    const { faults = [] } = (error.details ?? {}) as { faults?: DefinitionFault[] };
    throw invalidDefinition(input.file, faults);
  }
}

/** @throws TrainyardError NOT_FOUND when there is no such file */
export async function readPipelineFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new TrainyardError('NOT_FOUND', `There is no file ${resolve(file)}.`);
    throw new TrainyardError('USAGE', `${file} cannot be read: ${message}`, { cause: error });
  }
}

export function invalidDefinition(file: string, faults: readonly DefinitionFault[]): TrainyardError {
  const count = `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`;
  const message = `${file} has ${count}; the first: ${faults[0]?.message ?? 'unknown'}`;
  return new TrainyardError('INVALID_DEFINITION', message, { details: { fileName: file, faults } });
}

/** Refuses a faulty file without a server. */
async function refuseFaults(source: string, file: string): Promise<void> {
  const { parseDefinition } = await import('@trainyard/server/definition');
  const result = parseDefinition(source);
  if (!result.ok) throw invalidDefinition(file, result.faults);
}

function finish(context: CliContext, tree: RunTree): number {
  if (context.json) {
    context.out(`${JSON.stringify(runDocument(tree), null, 2)}\n`);
  } else {
    const paint = statusPaint(tree.status, context.errStyle);
    context.err(`${tree.name} ${paint(tree.status)} after ${runDuration(tree, Date.now()) || '0 ms'}\n`);
    if (tree.error !== null) {
      context.err(`${context.errStyle.red(errorText(tree.error))}\n`);
      context.err(`  see its log:  trainyard runs logs ${tree.id}\n`);
    }
    context.out(`${tree.id} ${tree.status}\n`);
  }
  return exitCodeOfRun(tree.status) ?? EXIT.internal;
}
