import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EXIT, exitCodeOfRun, type RunTree, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { connect } from '../connection.ts';
import { type DemoResult, demoResult, demoText } from '../demo-result.ts';
import { guardInterrupts, untilAborted } from '../interrupt.ts';
import { readPipelineFile } from '../pipeline-file.ts';
import { watchRun } from '../watch-run.ts';
import { submit } from './run.ts';

export interface DemoOptions {
  readonly exit?: boolean;
  readonly python?: boolean;
}

/** Trains on handwritten digits through the whole system, shows the result and keeps serving the page. */
export async function demoCommand(context: CliContext, options: DemoOptions): Promise<number> {
  const file = exampleFile(options.python ? 'pipeline-python.yaml' : 'pipeline.yaml');
  const source = await readPipelineFile(file);
  context.err('Starting Trainyard…\n');
  const connection = await connect(context, { otherwise: 'start server and agent' });
  try {
    const { client } = connection;
    context.err(`Trainyard at ${client.url}, data in ${context.dataDir}\n`);
    const { id } = await submit(connection, { source, file, params: {} });
    const { tree } = await watchRun(context, connection, id);
    const page = `${client.url}/runs/${id}`;
    const result = demoResult(tree, await client.getLatestMetrics(id, { tree: true }), page);
    print(context, result, tree);
    if (options.exit) return exitCodeOfRun(tree.status) ?? EXIT.internal;
    await keepServing(context, connection.isOwn, page);
    return EXIT.ok;
  } finally {
    await connection.close();
  }
}

function print(context: CliContext, result: DemoResult, tree: RunTree): void {
  context.out(context.json ? `${JSON.stringify(result, null, 2)}\n` : demoText(result, context.outStyle));
  if (tree.error !== null && !context.json) context.err(`see its log:  trainyard runs logs ${tree.id}\n`);
}

async function keepServing(context: CliContext, isOwn: boolean, page: string): Promise<void> {
  if (!isOwn) {
    context.err(`The server that was running goes on at ${page}\n`);
    return;
  }
  const guard = guardInterrupts(() => context.err('Stopping.\n'));
  context.err(`Open ${page} in a browser. Ctrl-C stops.\n`);
  await untilAborted(guard.signal);
  guard.release();
}

/** The example in the repository, or in the published package. */
function exampleFile(name: string): string {
  const places = ['../../../../examples/digits/', '../../examples/digits/'].map((dir) =>
    fileURLToPath(new URL(`${dir}${name}`, import.meta.url)),
  );
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new TrainyardError('NOT_FOUND', `The example examples/digits/${name} is not installed here.`);
}
