import {
  executorPlace,
  executorQueue,
  type ModelCheckpoint,
  newestFirst,
  type RunEvaluationDefinition,
  rankCheckpoints,
  resolvedCleanup,
  type TrainingJob,
  type TrainModelDefinition,
  trainingExecutor,
  trainingGpus,
} from '@trainyard/protocol';
import { ZodError } from 'zod';
import type { Found } from './lookups.ts';
import { mergePatch } from './merge-patch.ts';
import { StageFault } from './stage-fault.ts';
import {
  asText,
  builtinProgram,
  type StageWork,
  textsOf,
  type WorkInput,
  type WorkKind,
} from './stage-work-parts.ts';
import { joinPath } from './used-unit.ts';

type Judgement = Pick<TrainModelDefinition, 'metric' | 'direction'>;

/** The program of a training job, with its config changed by the stage. */
export const trainModelWork: WorkKind = ({ train_model: given, timeout }, input) => {
  const stage = input.resolve(given!);
  return {
    wanted: { job: asText(stage.job), checkpoints: stage.checkpoint !== undefined },
    build: (found) => {
      const job = jobOf(found, stage.job);
      const config = mergedConfig(job, stage.config);
      const gpus = gpusOf(config, job, stage.job);
      const checkpoint =
        stage.checkpoint === undefined
          ? undefined
          : checkpointPath(stage.checkpoint, stage, found, job, input);
      return {
        ...programOf(job, stage),
        ...placeOf(job, stage, timeout),
        command: job.command,
        workingDir: joinPath(job.baseDir, job.workingDir),
        // What the scheduler counts and what the program reads are one number.
        params: { ...config, num_gpus: gpus },
        env: { ...job.env, ...textsOf(stage.env), ...jobEnvironment(job, { checkpoint }) },
        gpus,
        training: { jobId: job.id, ...retentionOf(job) },
        ...(job.metricsFromLog === undefined ? {} : { metricsFromLog: job.metricsFromLog }),
      };
    },
  };
};

/** The evaluating program of a training job, or of the stage, for one checkpoint. */
export const runEvaluationWork: WorkKind = ({ run_evaluation: given, timeout }, input) => {
  const stage = input.resolve(given!);
  const dataset = stage.dataset === undefined ? undefined : datasetRef(asText(stage.dataset), input);
  return {
    wanted: {
      job: asText(stage.job),
      checkpoints: true,
      ...(dataset?.wanted === undefined ? {} : { dataset: dataset.wanted }),
    },
    build: (found) => {
      const job = jobOf(found, stage.job);
      const checkpoint = checkpointPath(stage.checkpoint, stage, found, job, input);
      const config = mergedConfig(job, stage.config);
      return {
        ...programOf(job, stage),
        ...placeOf(job, stage, timeout),
        ...evaluationProgram(stage, job, input),
        params: config,
        env: {
          ...job.env,
          ...textsOf(stage.env),
          ...jobEnvironment(job, { checkpoint, dataset: dataset?.path(found) }),
        },
        gpus: gpusOf(config, { numGpus: job.evaluate?.numGpus ?? 0 }, stage.job),
        training: { jobId: job.id, evaluates: checkpoint },
      };
    },
  };
};

/** Our own program, with all checkpoints that the job has. */
export const cleanupCheckpointsWork: WorkKind = ({ cleanup_checkpoints: given }, input) => {
  const stage = checked(() => resolvedCleanup.parse(input.resolve(given!)));
  return {
    wanted: { job: asText(stage.job), checkpoints: true },
    build: (found) => {
      const job = jobOf(found, stage.job);
      const { keepBest, keepLast, metric, direction, missingMetric, dryRun } = stage;
      return {
        ...programOf(job, stage),
        ...builtinProgram('cleanup_checkpoints', {
          ...{ keepBest, keepLast, metric, direction, missingMetric, dryRun },
          job: job.name,
          checkpointDir: checkpointDir(job) ?? null,
          checkpoints: found.checkpoints.map((each) => ({
            ...{ id: each.id, path: each.path, step: each.step, metrics: each.metrics },
            ...{
              sizeBytes: each.sizeBytes,
              isProtected: each.pinnedAt !== null || found.inUse.has(each.path),
            },
            isUnwanted: each.removalRequestedAt !== null,
            ...found.hosts.get(each.id),
          })),
        }),
        workingDir: input.path('.'),
        params: input.params,
        env: {},
        gpus: 0,
        training: { jobId: job.id },
      };
    },
  };
};

/** A dataset is a path when it begins as one, else a name with perhaps the beginning of its SHA-256. */
export function datasetRef(given: string, input: Pick<WorkInput, 'path'>) {
  if (/^\.{0,2}\//.test(given)) return { name: undefined, path: () => input.path(given) };
  const at = given.lastIndexOf('@');
  const isVersion = at > 0 && /^[0-9a-f]{1,64}$/.test(given.slice(at + 1));
  const wanted = {
    name: isVersion ? given.slice(0, at) : given,
    sha256Prefix: isVersion ? given.slice(at + 1) : '',
  };
  return {
    name: wanted.name,
    wanted,
    path: ({ dataset }: Found) => {
      if (dataset !== undefined) return dataset.path;
      const message = `there is no dataset version "${given}"; a path begins with "/", "./" or "../"`;
      throw new StageFault('dataset_not_found', message);
    },
  };
}

/** @throws StageFault for the first thing that is wrong, now that expressions have their values */
export function checked<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ZodError)) throw error;
    const [issue] = error.issues;
    const where = issue!.path.length === 0 ? '' : `"${issue!.path.join('.')}": `;
    throw new StageFault('expression', `${where}${issue!.message}`);
  }
}

function jobOf({ job }: Found, wanted: unknown): TrainingJob {
  if (job !== undefined) return job;
  const message = `there is no training job "${String(wanted)}"; "trainyard jobs list" shows those there are`;
  throw new StageFault('job_not_found', message);
}

function mergedConfig(job: TrainingJob, config: unknown): Record<string, unknown> {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new StageFault('expression', `"config" must be a mapping, found ${JSON.stringify(config)}`);
  }
  return mergePatch(job.config, config as Record<string, unknown>);
}

function gpusOf(config: Record<string, unknown>, job: Pick<TrainingJob, 'numGpus'>, name: unknown): number {
  try {
    return trainingGpus(config, job);
  } catch {
    const message = `config.num_gpus of training job "${String(name)}" must be a whole number from 0 to 64, found ${JSON.stringify(config['num_gpus'] ?? config['numGpus'])}`;
    throw new StageFault('invalid_config', message);
  }
}

function programOf(
  job: TrainingJob,
  stage: { readonly queue?: string | undefined; readonly grace: number },
): { queue: string; graceMs: number } {
  return { queue: stage.queue ?? job.queue, graceMs: stage.grace };
}

/** Which executor runs it, and the queue of that executor. */
function placeOf(
  job: TrainingJob,
  stage: Pick<TrainModelDefinition, 'queue' | 'runMode' | 'sshConfig' | 'slurmConfig'>,
  timeoutMs: number | undefined,
): Pick<StageWork, 'queue' | 'executor' | 'remote'> {
  const place = executorPlace(trainingExecutor(stage), timeoutMs);
  return { ...place, queue: executorQueue(stage.queue ?? job.queue, place.executor) };
}

function evaluationProgram(
  { command }: RunEvaluationDefinition,
  job: TrainingJob,
  input: WorkInput,
): { command: string | string[]; workingDir: string } {
  if (command !== undefined) {
    const own = Array.isArray(command) ? command.map(asText) : asText(command);
    return { command: own, workingDir: input.path('.') };
  }
  if (job.evaluate !== undefined) {
    return { command: job.evaluate.command, workingDir: joinPath(job.baseDir, job.workingDir) };
  }
  const message = `training job "${job.name}" has no "evaluate" with a command, and the stage gives none`;
  throw new StageFault('no_evaluation', message);
}

/** `latest` and `best` of what is recorded for the job; anything else is a path. */
function checkpointPath(
  given: string,
  judgement: Judgement,
  { checkpoints }: Found,
  job: TrainingJob,
  input: WorkInput,
): string {
  if (given !== 'latest' && given !== 'best') return input.path(given);
  const [chosen]: ModelCheckpoint[] =
    given === 'latest' ? newestFirst(checkpoints) : rankCheckpoints(checkpoints, judgement);
  if (chosen !== undefined) return chosen.path;
  const what =
    checkpoints.length === 0
      ? 'has no checkpoint'
      : `has ${checkpoints.length} checkpoints, none with the metric "${judgement.metric}"`;
  throw new StageFault('checkpoint_not_found', `training job "${job.name}" ${what}; "${given}" is none`);
}

/** Where files of its checkpoints may be deleted when its program has ended. */
function retentionOf(job: TrainingJob): { retention?: true; checkpointDir?: string } {
  if (job.retention === undefined) return {};
  const dir = checkpointDir(job);
  return { retention: true, ...(dir === undefined ? {} : { checkpointDir: dir }) };
}

function checkpointDir(job: TrainingJob): string | undefined {
  if (job.checkpointDir === undefined) return undefined;
  return joinPath(job.baseDir, job.checkpointDir);
}

function jobEnvironment(
  job: TrainingJob,
  paths: { readonly checkpoint?: string | undefined; readonly dataset?: string | undefined },
): Record<string, string> {
  const given = {
    TRAINYARD_JOB_ID: job.id,
    TRAINYARD_JOB_NAME: job.name,
    TRAINYARD_CHECKPOINT_DIR: checkpointDir(job),
    TRAINYARD_CHECKPOINT: paths.checkpoint,
    TRAINYARD_DATASET: paths.dataset,
  };
  const known = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(known);
}
