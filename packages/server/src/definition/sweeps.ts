import {
  DEFINITION_LIMITS,
  type JsonValue,
  NOT_OF_TRIALS,
  STAGE_KINDS,
  type SweepDefinition,
  sweep,
} from '@trainyard/protocol/definition';
import type { DefinitionPath, Fault } from './faults.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import { schemaFaults } from './schema-faults.ts';
import { keysAt } from './schema-keys.ts';
import { sweepSettings, sweepSize } from './sweep-space.ts';

/** A document whose sweeps have become pipelines. */
export interface Unswept {
  readonly json: JsonValue;
  readonly faults: readonly Fault[];
  /** The place in the document of what is at a path of `json`. */
  source(path: DefinitionPath): DefinitionPath;
}

/**
 * Puts in place of each stage with `sweep` the pipeline that it stands for: `trials`, which runs once for each
 * setting, and `best`, which finds the best of them. Undefined where there is no sweep.
 */
export function expandSweeps(json: JsonValue): Unswept | undefined {
  const swept: DefinitionPath[] = [];
  const faults: Fault[] = [];
  const level = (body: JsonValue, path: DefinitionPath): JsonValue => {
    if (!isJsonObject(body) || !Array.isArray(body['stages'])) return body;
    const stages = body['stages'].map((stage, index) => ofStage(stage, [...path, 'stages', index]));
    return stages.every((stage, index) => stage === (body['stages'] as JsonValue[])[index])
      ? body
      : { ...body, stages };
  };
  const ofStage = (stage: JsonValue, path: DefinitionPath): JsonValue => {
    if (!isJsonObject(stage)) return stage;
    if (Object.hasOwn(stage, 'sweep')) {
      swept.push(path);
      return expanded(stage, path, faults);
    }
    const { pipeline } = stage;
    if (pipeline === undefined) return stage;
    const inner = level(pipeline, [...path, 'pipeline']);
    return inner === pipeline ? stage : { ...stage, pipeline: inner };
  };
  let result = level(json, []);
  const templates = isJsonObject(json) ? json['templates'] : undefined;
  if (isJsonObject(templates)) {
    const inner = Object.entries(templates).map(
      ([name, body]) => [name, level(body, ['templates', name])] as const,
    );
    result = { ...(result as JsonObject), templates: Object.fromEntries(inner) };
  }
  if (swept.length === 0) return undefined;
  return { json: result, faults, source: (path) => sourceOf(path, swept) };
}

/** Stands for a sweep that cannot be read, so that what else is wrong with the file is found, too. */
const STAND_IN: JsonObject = { stages: [{ name: 'trials', job: { command: 'false' } }] };

function expanded(stage: JsonObject, path: DefinitionPath, faults: Fault[]): JsonObject {
  const { sweep: given, ...rest } = stage;
  const fault = (code: string, message: string, at: DefinitionPath) =>
    faults.push({ code, message, path: [...path, ...at] });
  const other = STAGE_KINDS.find((kind) => Object.hasOwn(rest, kind));
  if (other !== undefined) {
    fault(
      'BAD_VALUE',
      `a stage with "sweep" has no "${other}" beside it; what each trial runs is "sweep.trial"`,
      [other],
    );
    delete rest[other];
  }
  const parsed = sweep.safeParse(given);
  if (!parsed.success) {
    const judged = { file: 'a sweep', whole: 'the sweep', keys: (at: DefinitionPath) => keysAt(sweep, at) };
    for (const each of schemaFaults(parsed.error.issues, given as JsonValue, judged))
      faults.push({ ...each, path: [...path, 'sweep', ...each.path] });
    return { ...rest, pipeline: STAND_IN };
  }
  for (const key of NOT_OF_TRIALS)
    if (Object.hasOwn(parsed.data.trial, key))
      fault('BAD_VALUE', `"${key}" is not for the trial of a sweep; the sweep decides it`, [
        'sweep',
        'trial',
        key,
      ]);
  const size = sweepSize(parsed.data);
  if (size > DEFINITION_LIMITS.maxExpandedRuns) {
    fault(
      'TOO_LARGE',
      `the sweep has ${size} trials; at most ${DEFINITION_LIMITS.maxExpandedRuns} are allowed`,
      ['sweep', 'params'],
    );
    return { ...rest, pipeline: STAND_IN };
  }
  return { ...rest, pipeline: pipelineOf(parsed.data) };
}

function pipelineOf(given: SweepDefinition): JsonObject {
  const { metric, goal, of, maxParallel, failurePolicy, earlyStopping, trial } = given;
  const settings = sweepSettings(given) as JsonValue[];
  const own = isJsonObject(trial['params']) ? trial['params'] : {};
  const names = Object.keys(given.params);
  return {
    stages: [
      {
        ...trial,
        name: 'trials',
        foreach: { item: 'trial', in: settings, maxItems: settings.length, maxParallel, failurePolicy },
        params: { ...own, ...Object.fromEntries(names.map((name) => [name, `\${{ item.trial.${name} }}`])) },
        ...(earlyStopping === undefined
          ? {}
          : { earlyStopping: { metric, goal, ...earlyStopping } as JsonObject }),
      },
      { name: 'best', dependsOn: ['trials'], select_best: { from: 'trials', metric, goal, of } },
    ],
  };
}

/** `…/pipeline/stages/0/job` of a swept stage was written as `…/sweep/trial/job`. */
function sourceOf(path: DefinitionPath, swept: readonly DefinitionPath[]): DefinitionPath {
  const stage = swept.find((each) => each.every((step, index) => path[index] === step));
  if (stage === undefined || path[stage.length] !== 'pipeline') return path;
  const [, , index, key, ...rest] = path.slice(stage.length);
  if (index !== 0 || key === undefined || key === 'name') return [...stage, 'sweep'];
  if (key === 'foreach') return [...stage, 'sweep', rest[0] === 'in' ? 'params' : String(rest[0] ?? '')];
  if (key === 'earlyStopping') return [...stage, 'sweep', 'earlyStopping', ...rest];
  return [...stage, 'sweep', 'trial', key, ...rest];
}
