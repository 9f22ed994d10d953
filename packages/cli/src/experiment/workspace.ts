import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { definitionText } from '@trainyard/server/definition';
import { trialDirectory, workspaceDirectories } from '@trainyard/training';
import type { Experiment } from './read-experiment.ts';

const CONFIG = 'config.yaml';
/** Of a trial run: what its program finds as its params. */
const RUN_CONFIG = 'config.json';
/** Which run is that of the experiment. */
const RUN = 'run.json';

/** Directory for what an experiment leaves. */
export function workspaceOf(dir: string, { files }: Pick<Experiment, 'files'>): string {
  return resolve(dir, files.env.workspace);
}

/** Writes the effective config of experiment, trials and trial runs, each into `configs` of its own level. */
export async function saveConfigs(dir: string, { files, trials }: Experiment): Promise<void> {
  const workspace = workspaceOf(dir, { files });
  const { env, experiment, base } = files;
  await save(workspace, { experiment, env, base, trials: trials.map(({ name }) => name) });
  for (const { name, runs } of trials) {
    const { settings, args } = runs[0]!;
    const seeds = runs.map(({ seed }) => seed);
    await save(join(workspace, name), { name, settings, args, seeds });
    for (const run of runs) {
      const directory = await configsOf(trialDirectory(run, dir));
      await writeWhole(join(directory, RUN_CONFIG), `${JSON.stringify(run, null, 2)}\n`);
    }
  }
}

async function save(level: string, config: object): Promise<void> {
  const text = definitionText(config, 'Effective config; written anew for each run.');
  await writeWhole(join(await configsOf(level), CONFIG), text);
}

async function configsOf(level: string): Promise<string> {
  const { configs } = workspaceDirectories(level);
  await mkdir(configs, { recursive: true });
  return configs;
}

/** The run that was started last in this workspace, on whatever server. */
export async function readRunId(workspace: string): Promise<string | undefined> {
  try {
    const { id } = JSON.parse(await readFile(join(workspace, RUN), 'utf8')) as { id?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    // None was started, or what is there is none of ours.
    return undefined;
  }
}

export async function writeRunId(workspace: string, id: string): Promise<void> {
  await mkdir(workspace, { recursive: true });
  await writeWhole(join(workspace, RUN), `${JSON.stringify({ id })}\n`);
}

/** A crash leaves the file from before, or the new one. */
async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}
