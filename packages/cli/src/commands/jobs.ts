import { dirname, resolve } from 'node:path';
import { EXIT, type ModelCheckpoint, type TrainingJob, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { readPipelineFile, withFaultsOf } from '../pipeline-file.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

/** Registers the job of a file; what is relative in it is relative to the file. */
export async function createJobCommand(
  context: CliContext,
  file: string,
  replaces: boolean,
): Promise<number> {
  const source = await readPipelineFile(file);
  const body = { source, baseDir: dirname(resolve(file)) };
  return withServer(context, async ({ client: { jobs } }) => {
    const job = await withFaultsOf(file, async () => {
      try {
        return await jobs.create(body);
      } catch (error) {
        const taken = takenName(error);
        if (!replaces || taken === undefined) throw error;
        return jobs.replace(taken, body);
      }
    });
    if (job.numGpus > 0) context.err(`Its training needs an agent with ${job.numGpus} GPUs ("numGpus").\n`);
    context.out(context.json ? `${JSON.stringify(job, null, 2)}\n` : `${job.id}\n`);
    return EXIT.ok;
  });
}

export function listJobsCommand(context: CliContext): Promise<number> {
  return withServer(context, async ({ client: { jobs } }) => {
    const items: TrainingJob[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await jobs.list({ limit: 500, ...(cursor === undefined ? {} : { cursor }) });
      items.push(...page.items);
      cursor = page.nextCursor;
    }
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0) context.err('No training jobs. Make one with: trainyard jobs create FILE\n');
    const rows = items.map((job) => [
      ...[job.name, job.id, job.algorithm ?? '-', String(job.numGpus), job.queue, job.updatedAt],
    ]);
    context.out(table(['name', 'id', 'algorithm', 'gpus', 'queue', 'updated'], rows));
    return EXIT.ok;
  });
}

export function showJobCommand(context: CliContext, idOrName: string): Promise<number> {
  return withServer(context, async ({ client: { jobs } }) => {
    const job = await jobs.get(idOrName);
    context.out(context.json ? `${JSON.stringify(job, null, 2)}\n` : jobText(job));
    return EXIT.ok;
  });
}

export function checkpointsCommand(context: CliContext, job: string, deleted: boolean): Promise<number> {
  return withServer(context, async ({ client: { jobs } }) => {
    const items = await jobs.checkpoints(job, { deleted, limit: 1000 });
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0) context.err('No checkpoints.\n');
    const rows = items.map((item) => [
      item.step === null ? '-' : String(item.step),
      metricsText(item),
      String(item.sizeBytes),
      item.deletedAt === null ? item.createdAt : `deleted ${item.deletedAt}`,
      item.path,
    ]);
    context.out(table(['step', 'metrics', 'bytes', 'recorded', 'path'], rows));
    return EXIT.ok;
  });
}

export function deleteJobCommand(context: CliContext, idOrName: string): Promise<number> {
  return withServer(context, async ({ client: { jobs } }) => {
    await jobs.delete(idOrName);
    context.out(
      context.json ? `${JSON.stringify({ job: idOrName, deleted: true })}\n` : `${idOrName} deleted\n`,
    );
    return EXIT.ok;
  });
}

/** The name that the file gives itself, where the fault is that it is taken: not where its directory is. */
function takenName(error: unknown): string | undefined {
  if (!(error instanceof TrainyardError) || error.code !== 'CONFLICT') return undefined;
  return (error.details as { name?: string } | undefined)?.name;
}

function jobText(job: TrainingJob): string {
  const { config, command, evaluate, ...rest } = job;
  const plain = Object.entries(rest).filter(([, value]) => value !== null && value !== undefined);
  const lines = plain.map(
    ([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const shown = (given: string | string[]) => (typeof given === 'string' ? given : given.join(' '));
  lines.push(`command: ${shown(command)}`);
  if (evaluate !== undefined) lines.push(`evaluate: ${shown(evaluate.command)}`);
  return `${lines.join('\n')}\nconfig: ${JSON.stringify(config, null, 2)}\n`;
}

function metricsText({ metrics }: ModelCheckpoint): string {
  const entries = Object.entries(metrics).map(([name, value]) => `${name}=${value}`);
  return entries.length === 0 ? '-' : entries.join(' ');
}
