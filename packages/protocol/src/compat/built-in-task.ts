import { defaultPriority, type JsonValue, type StageKind } from '../definition/index.ts';
import { type FieldReader, ownValue, show } from './field-reader.ts';
import { literalJson } from './literal-text.ts';
import { type DocumentPath, STAND_IN_JOB, type StageInput } from './older-form.ts';

/** The tasks that the older system brought along are stage kinds here; their params have other names. */
const TASKS = {
  preprocess_dataset: { dataset_uuid: 'dataset', preprocessing_config: 'config' },
  train_model: {
    ...{ job_uuid: 'job', config: 'config', run_mode: 'runMode' },
    ...{ ssh_config: 'sshConfig', slurm_config: 'slurmConfig' },
  },
  run_evaluation: { job_uuid: 'job', checkpoint_path: 'checkpoint', eval_dataset_uuid: 'dataset' },
  cleanup_checkpoints: { job_uuid: 'job', keep_best_n: 'keepBest' },
} as const satisfies Partial<Record<StageKind, Readonly<Record<string, string>>>>;

type BuiltInTask = keyof typeof TASKS;

/** What the older system put among the params of a task, and what travels beside them here. */
const INJECTED: ReadonlySet<string> = new Set(['_pipeline_uuid', '_stage_name']);

export function isBuiltInTask(task: string | undefined): task is BuiltInTask {
  return task !== undefined && Object.hasOwn(TASKS, task);
}

/** The stage of a built-in task, whose priority is that of its kind, raised or lowered with its pipeline. */
export function builtInStage(
  fields: FieldReader,
  task: BuiltInTask,
  params: { readonly [key: string]: JsonValue },
  pipelinePriority: number,
): Partial<StageInput> {
  const names: Readonly<Record<string, string>> = TASKS[task];
  const known = Object.keys(names);
  const given: Record<string, JsonValue> = {};
  for (const [key, value] of Object.entries(params)) {
    if (Object.hasOwn(names, key)) {
      if (value !== null) given[names[key]!] = literalJson(value);
    } else if (!INJECTED.has(key)) {
      const message = `the task ${show(task)} has no param ${show(key)}; known: ${known.join(', ')}`;
      fields.refuse('UNKNOWN_KEY', 'params', message);
    }
  }
  const required = known[0]!;
  if (ownValue(params, required) === undefined) {
    fields.refuse('MISSING_KEY', 'params', `the task ${show(task)} needs params.${required}`);
    return { job: STAND_IN_JOB };
  }
  return { [task]: given, priority: pipelinePriority + defaultPriority(task) };
}

/** Path of a value of a built-in task, from its stage; `undefined` for a path of another kind. */
export function builtInPath([key, inner, ...rest]: DocumentPath): DocumentPath | undefined {
  if (typeof key !== 'string' || !isBuiltInTask(key)) return undefined;
  const name = Object.entries(TASKS[key]).find(([, ours]) => ours === inner)?.[0];
  return name === undefined ? ['params'] : ['params', name, ...rest];
}
