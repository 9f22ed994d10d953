import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  EXPERIMENT_FILES,
  type ExperimentFile,
  type ExperimentFiles,
  experimentBase,
  experimentEnv,
  experimentHead,
  experimentTrials,
  TrainyardError,
} from '@trainyard/protocol';
import { type ConfigFile, readConfigFile } from '@trainyard/server/definition';
import { type PlannedTrial, planExperiment } from '@trainyard/training';
import type { FaultOfFile } from '../report-error.ts';
import { experimentPipeline } from './experiment-pipeline.ts';

/** An experiment that can be run. */
export interface Experiment {
  readonly files: ExperimentFiles;
  readonly trials: readonly PlannedTrial[];
  /** The pipeline that runs it, as JSON. */
  readonly source: string;
}

/**
 * Reads the four files of an experiment's directory and plans its trials.
 * @throws TrainyardError NOT_FOUND when a file is missing, INVALID_DEFINITION with every fault and its place
 */
export async function readExperiment(dir: string): Promise<Experiment> {
  const [env, experiment, base, trials] = await Promise.all([
    readText(dir, 'env'),
    readText(dir, 'experiment'),
    readText(dir, 'base'),
    readText(dir, 'trials'),
  ]);
  const read = {
    env: readConfigFile(env, experimentEnv, 'env.yaml'),
    experiment: readConfigFile(experiment, experimentHead, 'experiment.yaml'),
    base: readConfigFile(base, experimentBase, 'base.yaml'),
    trials: readConfigFile(trials, experimentTrials, 'trials.yaml'),
  };
  const faults: FaultOfFile[] = EXPERIMENT_FILES.flatMap((file) =>
    read[file].faults.map((fault) => ({ ...fault, fileName: pathOf(dir, file) })),
  );
  if (faults.length > 0) throw invalid(dir, faults);
  // Without faults each has a value.
  const files: ExperimentFiles = {
    env: read.env.value!,
    experiment: read.experiment.value!,
    base: read.base.value!,
    trials: read.trials.value!,
  };
  const plan = planExperiment(files);
  if (!plan.ok) {
    throw invalid(
      dir,
      plan.faults.map(({ file, path, message }) => placed(dir, file, read[file], path, message)),
    );
  }
  const { source, faults: ofJob } = experimentPipeline(files, plan.trials);
  if (ofJob.length > 0) {
    throw invalid(
      dir,
      ofJob.map(({ path, message }) => placed(dir, 'experiment', read.experiment, path, message)),
    );
  }
  return { files, trials: plan.trials, source };
}

function placed(
  dir: string,
  file: ExperimentFile,
  read: ConfigFile<unknown>,
  path: readonly (string | number)[],
  message: string,
): FaultOfFile {
  return { ...read.fault(path, message), fileName: pathOf(dir, file) };
}

async function readText(dir: string, file: ExperimentFile): Promise<string> {
  const path = pathOf(dir, file);
  try {
    const text = await readFile(path, 'utf8');
    // A file that says nothing, or nothing but remarks.
    return /^\s*(#.*\s*)*$/.test(text) && file !== 'trials' ? '{}' : text;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      throw new TrainyardError('USAGE', `${path} cannot be read: ${message}`, { cause: error });
    const all = EXPERIMENT_FILES.map((each) => `${each}.yaml`).join(', ');
    throw new TrainyardError('NOT_FOUND', `There is no file ${path}. An experiment has four: ${all}.`);
  }
}

function pathOf(dir: string, file: ExperimentFile): string {
  return join(dir, `${file}.yaml`);
}

function invalid(dir: string, faults: readonly FaultOfFile[]): TrainyardError {
  const count = `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`;
  const message = `the experiment in ${dir} has ${count}; the first: ${faults[0]!.fileName}: ${faults[0]!.message}`;
  return new TrainyardError('INVALID_DEFINITION', message, { details: { faults } });
}
