import { EXIT, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import type { Connection } from '../connection.ts';
import { importRun } from '../import/import-run.ts';
import { mlflowApi } from '../import/mlflow-api.ts';
import type { SourceRun } from '../import/source-run.ts';
import { withServer } from './runs.ts';

export interface ImportRunsOptions {
  readonly experiment?: string;
}

type Source = (dir: string, experiment: string | undefined) => AsyncIterable<SourceRun>;

export async function importMlrunsCommand(
  context: CliContext,
  dir: string,
  options: ImportRunsOptions,
): Promise<number> {
  return importAll(context, (await import('../import/mlruns-directory.ts')).mlrunsRuns, dir, options);
}

export async function importTensorboardCommand(
  context: CliContext,
  dir: string,
  options: ImportRunsOptions,
): Promise<number> {
  return importAll(
    context,
    (await import('../import/tensorboard-directory.ts')).tensorboardRuns,
    dir,
    options,
  );
}

/** Brings in one run after the other; one that is refused keeps none of the others from it. */
function importAll(
  context: CliContext,
  source: Source,
  dir: string,
  { experiment }: ImportRunsOptions,
): Promise<number> {
  const work = async ({ client, token }: Connection) => {
    const api = mlflowApi({ url: client.url, token });
    const items: object[] = [];
    let failed = 0;
    for await (const run of source(dir, experiment)) {
      const about = { source: run.sourceId, name: run.name, experiment: run.experiment };
      try {
        const { notes: lost, ...done } = await importRun(api, client, run);
        const { id, outcome, points, files } = done;
        const notes = [...run.notes, ...lost];
        items.push({ ...about, ...done, notes });
        if (!context.json) context.err(`${run.name}: ${id} ${outcome}, ${points} points, ${files} files\n`);
        if (!context.json && outcome === 'imported') for (const note of notes) context.err(`  ${note}\n`);
      } catch (error) {
        if (!(error instanceof TrainyardError) || error.code === 'SERVER_UNREACHABLE') throw error;
        failed += 1;
        items.push({ ...about, outcome: 'failed', error: error.message, notes: run.notes });
        if (!context.json) context.err(`${run.name}: not imported: ${error.message}\n`);
      }
    }
    if (context.json) context.out(`${JSON.stringify({ items, failed }, null, 2)}\n`);
    else context.err(`${items.length - failed} of ${items.length} runs are here.\n`);
    return failed === 0 ? EXIT.ok : EXIT.internal;
  };
  return withServer(context, work, { once: true });
}
