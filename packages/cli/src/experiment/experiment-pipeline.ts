import {
  DEFINITION_LIMITS,
  type ExperimentFiles,
  type JsonValue,
  type TrialConfig,
  trialConfig,
} from '@trainyard/protocol';
import { parseDefinition } from '@trainyard/server/definition';
import { mergeSettings, type PlannedTrial } from '@trainyard/training';

/** A fault of what `experiment.yaml` says of its job, with the path there. */
interface JobFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What a program finds among its params, and expressions of the job under `item.trial`. */
const CONFIG_KEYS = Object.keys(trialConfig.shape) as (keyof TrialConfig)[];

/**
 * The pipeline that runs an experiment: a stage for each trial, with an item for each repeat. An item is its
 * effective config, so that a run that goes on from an earlier one keeps what has the same config and ended well.
 */
export function experimentPipeline(
  files: ExperimentFiles,
  trials: readonly PlannedTrial[],
): { readonly source: string; readonly faults: readonly JobFault[] } {
  const source = JSON.stringify(definitionOf(files, trials), null, 1);
  const checked = parseDefinition(source);
  if (checked.ok) return { source, faults: [] };
  const faults = checked.faults.map(({ path, message }) => ({ path: pathInFile(path), message }));
  const seen = new Set<string>();
  // Each trial has the same job, and so the same faults.
  const once = faults.filter(({ path, message }) => {
    const key = JSON.stringify([path, message.replace(/stage \d+/, 'stage')]);
    return !seen.has(key) && seen.add(key);
  });
  return { source, faults: once };
}

function definitionOf({ env, experiment }: ExperimentFiles, trials: readonly PlannedTrial[]): JsonValue {
  const { name, desc, retry, timeout } = experiment;
  const job = mergeSettings(env.job, experiment.job) as Record<string, JsonValue>;
  const variables = { TRAINYARD_SEED: expression('seed') };
  const withSeed = { ...job, env: { ...variables, ...(job['env'] as Record<string, JsonValue>) } };
  const maxParallel = Math.min(trials.length, DEFINITION_LIMITS.maxParallel);
  return {
    name,
    ...(desc === undefined ? {} : { description: desc }),
    maxParallel,
    stages: trials.map(({ name: trial, runs }) => ({
      name: trial,
      foreach: {
        item: 'trial',
        in: runs as unknown as JsonValue,
        maxItems: runs.length,
        maxParallel: Math.min(runs.length, DEFINITION_LIMITS.maxParallel),
      },
      params: Object.fromEntries(CONFIG_KEYS.map((key) => [key, expression(key)])),
      job: withSeed,
      ...(retry === undefined ? {} : { retry }),
      ...(timeout === undefined ? {} : { timeout }),
      // One limit for all trials and repeats together.
      ...(env.maxParallel === undefined
        ? {}
        : { concurrency: { group: 'experiment ${{ run.id }}', limit: env.maxParallel } }),
    })),
  };
}

function expression(key: keyof TrialConfig): string {
  return `\${{ item.trial.${key} }}`;
}

/** `stages/3/job/command/0` is `job/command/0` of experiment.yaml. */
function pathInFile(path: readonly (string | number)[]): readonly (string | number)[] {
  const [stages, , ...rest] = path;
  if (stages !== 'stages') return path;
  return rest[0] === 'job' || rest[0] === 'retry' || rest[0] === 'timeout' ? rest : [];
}
