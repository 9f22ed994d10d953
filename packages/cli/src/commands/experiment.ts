import { join } from 'node:path';
import type { Client } from '@trainyard/client';
import { EXIT, isTerminalRunStatus, type RunTree, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import type { WaitForApproval } from '../command-parts.ts';
import { readExperiment } from '../experiment/read-experiment.ts';
import { readRunId, saveConfigs, workspaceOf, writeRunId } from '../experiment/workspace.ts';
import { withFaultsOf } from '../pipeline-file.ts';
import { table } from '../view/table.ts';
import { requestOf, runAndWatch, submit } from './run.ts';
import { withServer } from './runs.ts';

export interface ExperimentRunOptions extends WaitForApproval {
  readonly detach?: boolean;
  readonly dryRun?: boolean;
  /** Nothing is kept of an earlier run. */
  readonly fresh?: boolean;
}

/**
 * Runs the trials of a directory. What an earlier run of it has done well, with the same config, is kept; a run of
 * it that still goes on is watched instead.
 */
export async function runExperimentCommand(
  context: CliContext,
  dir: string,
  options: ExperimentRunOptions,
): Promise<number> {
  const experiment = await readExperiment(dir);
  const workspace = workspaceOf(dir, experiment);
  const input = (resumeFrom: string | undefined) => ({
    source: experiment.source,
    file: join(dir, 'experiment.yaml'),
    params: {},
    more: resumeFrom === undefined ? {} : { resumeFrom },
  });
  const earlier = async (client: Client): Promise<RunTree | undefined> =>
    options.fresh ? undefined : findRun(client, await readRunId(workspace));
  if (options.dryRun) {
    const { dryRun } = await import('./dry-run.ts');
    return dryRun(context, async (client) => {
      const body = await requestOf(input((await earlier(client))?.id));
      return withFaultsOf(dir, () => client.planRun(body));
    });
  }
  return runAndWatch(context, options, async (connection) => {
    const before = await earlier(connection.client);
    if (before !== undefined && !isTerminalRunStatus(before.status)) {
      context.err(`the experiment is running already: ${before.id}\n`);
      return before.id;
    }
    await saveConfigs(dir, experiment);
    const { id } = await submit(connection, input(before?.id));
    await writeRunId(workspace, id);
    if (before !== undefined) context.err(`goes on from ${before.id}, which ended ${before.status}\n`);
    return id;
  });
}

/** Prints trials with their runs and effective settings, without a server. */
export async function planExperimentCommand(context: CliContext, dir: string): Promise<number> {
  const { files, trials, source } = await readExperiment(dir);
  if (context.json) {
    const pipeline: unknown = JSON.parse(source);
    context.out(`${JSON.stringify({ name: files.experiment.name, trials, pipeline }, null, 2)}\n`);
    return EXIT.ok;
  }
  const runs = trials.reduce((sum, trial) => sum + trial.runs.length, 0);
  context.out(`${files.experiment.name}: ${trials.length} trials, ${runs} runs\n`);
  const rows = trials.map(({ name, runs }) => [
    name,
    String(runs.length),
    runs.map(({ seed }) => seed).join(', '),
    JSON.stringify(runs[0]!.settings),
  ]);
  context.out(table(['trial', 'runs', 'seeds', 'settings'], rows));
  return EXIT.ok;
}

export interface ExperimentResultsOptions {
  readonly metric?: readonly string[];
  readonly of: 'last' | 'min' | 'max';
}

/** Prints what the trials have reached: of each metric the mean over the repeats, and how far they lie apart. */
export async function experimentResultsCommand(
  context: CliContext,
  dir: string,
  options: ExperimentResultsOptions,
): Promise<number> {
  const experiment = await readExperiment(dir);
  return withServer(context, async ({ client }) => {
    const run = await findRun(client, await readRunId(workspaceOf(dir, experiment)));
    if (run === undefined) {
      const message = `No run of the experiment in ${dir} is on this server. Start one with: trainyard experiment run ${dir}`;
      throw new TrainyardError('NOT_FOUND', message);
    }
    const { resultsOf, resultsTable } = await import('../experiment/results.ts');
    const latest = await client.getLatestMetrics(run.id, { tree: true });
    const results = resultsOf(run, latest, options);
    if (context.json)
      context.out(`${JSON.stringify({ id: run.id, status: run.status, ...results }, null, 2)}\n`);
    else context.out(resultsTable(results));
    return EXIT.ok;
  });
}

async function findRun(client: Client, id: string | undefined): Promise<RunTree | undefined> {
  if (id === undefined) return undefined;
  try {
    return await client.getTree(id);
  } catch (error) {
    // It was deleted, or is on another server.
    if (error instanceof TrainyardError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
