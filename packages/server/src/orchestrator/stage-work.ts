import {
  executorPlace,
  executorQueue,
  preprocessConfig,
  type StageDefinition,
  type StageKind,
  stageKind,
} from '@trainyard/protocol';
import { resolveJob } from '../definition/expressions.ts';
import {
  asText,
  builtinProgram,
  type PendingWork,
  textsOf,
  type WorkInput,
  type WorkKind,
} from './stage-work-parts.ts';
import {
  checked,
  cleanupCheckpointsWork,
  datasetRef,
  runEvaluationWork,
  trainModelWork,
} from './training-work.ts';

/** Stage kinds that an agent carries out. */
export type AgentStageKind = Exclude<StageKind, 'pipeline' | 'approval' | 'select_best'>;

/** The work of a stage with every `${{ … }}` resolved. @throws TrainyardError INVALID_PARAMS, StageFault */
export function stageWork(stage: StageDefinition, input: WorkInput): PendingWork {
  return WORK[stageKind(stage) as AgentStageKind](stage, input);
}

const job: WorkKind = ({ job: given, timeout }, { scope, params, path }) => {
  const { command, env, workingDir, artifacts, queue, resources, grace, executor } = resolveJob(
    given!,
    scope,
  );
  const place = executorPlace(executor, timeout);
  const program = { command, env, workingDir: path(workingDir), params, artifacts, ...place };
  const route = executorQueue(queue, place.executor);
  return { build: () => ({ ...program, queue: route, gpus: resources.gpus, graceMs: grace }) };
};

const http: WorkKind = (stage, { params, resolve, path }) => {
  const { queue, grace, url, body, headers, query, ...request } = resolve(stage.http!);
  const program = builtinProgram('http', {
    ...request,
    ...{ url: asText(url), headers: textsOf(headers), query: textsOf(query) },
    ...(body === undefined ? {} : { body: asText(body) }),
  });
  return {
    build: () => ({ ...program, queue, workingDir: path('.'), env: {}, params, gpus: 0, graceMs: grace }),
  };
};

const callFunction: WorkKind = (stage, { params, resolve, path }) => {
  const { module, export: name, args, workingDir, env, queue, resources, grace } = resolve(stage.function!);
  const program = builtinProgram('function', { module: path(asText(module)), export: asText(name), args });
  const place = { workingDir: path(asText(workingDir)), env: textsOf(env) };
  return { build: () => ({ ...program, ...place, queue, params, gpus: resources.gpus, graceMs: grace }) };
};

const preprocessDataset: WorkKind = (stage, input) => {
  const { dataset, config, queue, grace } = input.resolve(stage.preprocess_dataset!);
  const ref = datasetRef(asText(dataset), input);
  const { output, ...steps } = checked(() => preprocessConfig.parse(config));
  const dir = output.dir === undefined ? null : input.path(output.dir);
  return {
    ...(ref.wanted === undefined ? {} : { wanted: { dataset: ref.wanted } }),
    build: (found) => ({
      ...builtinProgram('preprocess_dataset', {
        source: { path: ref.path(found), name: ref.name ?? null, sha256: found.dataset?.sha256 ?? null },
        config: { ...steps, output: { ...output, dir } },
      }),
      ...{ queue, workingDir: input.path('.'), env: {}, params: input.params, gpus: 0, graceMs: grace },
    }),
  };
};

const WORK: Readonly<Record<AgentStageKind, WorkKind>> = {
  job,
  http,
  function: callFunction,
  train_model: trainModelWork,
  run_evaluation: runEvaluationWork,
  preprocess_dataset: preprocessDataset,
  cleanup_checkpoints: cleanupCheckpointsWork,
};
