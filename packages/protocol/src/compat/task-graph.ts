import { DEFINITION_LIMITS, type JsonValue } from '../definition/index.ts';
import { FieldReader, isJsonObject, type JsonObject, show } from './field-reader.ts';
import { functionStage, httpStage } from './http-task.ts';
import { DEPTH_KEYS, fullTextBudget, innerDagOf, type TextBudget } from './inner-dag.ts';
import { type LevelItem, levelItems, titleOf } from './level.ts';
import {
  type DocumentPath,
  type FailPolicy,
  type LevelPlaces,
  type OlderFormFault,
  type OlderFormMapping,
  type PipelineBodyInput,
  STAND_IN_JOB,
  STAND_IN_STAGE,
  type StageInput,
  sourcePath,
} from './older-form.ts';
import { taskCommon, taskJob, taskStagePath } from './task.ts';
import { templateUse } from './template-task.ts';

const FAIL_POLICIES: Readonly<Record<string, FailPolicy>> = {
  SkipDownstream: 'skip_dependents',
  skip_downstream: 'skip_dependents',
  FailFast: 'fail_fast',
  fail_fast: 'fail_fast',
};

const GRAPH_KEYS = ['name', 'description', 'config', 'tasks'];
const CONFIG_KEYS = ['name', 'fail_policy', 'max_parallel'];
const TASK_KEYS = [
  'id',
  'name',
  'exec_type',
  'exec_command',
  'exec_params',
  'deps',
  'timeout_ms',
  'retry_count',
  'retry_delay_ms',
  'retry_exp_backoff',
  'priority',
  'queue',
];
/** Nothing depends on these here: output is always kept, and the rest is for people and editors. */
const TASK_IGNORED: ReadonlySet<string> = new Set([
  ...DEPTH_KEYS,
  'capture_output',
  'metadata',
  'description',
  'status',
  'position',
]);
const GRAPH_IGNORED: ReadonlySet<string> = new Set([...DEPTH_KEYS, 'id', 'metadata']);

/** Kinds of tasks without an executor here, each with what to use instead. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  Local:
    'a Local task calls a function inside the older program; give a module as its exec_command, such as report.ts or report.ts#main',
  Remote: 'use a Shell task with "queue"; an agent on the other machine that serves the queue runs it',
};
const RUNNABLE = ['Shell', 'Script', 'Local', 'Dag', 'Template', 'HttpCall'];

interface Reading {
  readonly faults: OlderFormFault[];
  readonly budget: TextBudget;
}

interface Level {
  readonly body: PipelineBodyInput;
  readonly places: LevelPlaces;
}

/**
 * Maps a task graph, `{config, tasks: [{id, exec_type, exec_command, exec_params, deps, …}]}`, to a
 * definition. Task ids become the names of stages; `Shell`, `Script`, `HttpCall`, `Dag` and `Template` tasks run, and `Local` ones that name a module; a `Dag` to
 * the depth limit, which counts the outermost DAG and ignores depths that the document gives. Never throws on
 * JSON that is nested at most some thousand levels deep.
 */
export function fromTaskGraph(json: JsonValue): OlderFormMapping {
  const reading: Reading = { faults: [], budget: fullTextBudget() };
  const root = new FieldReader(isJsonObject(json) ? json : {}, [], 'the DAG', reading.faults);
  const { body, places } = levelFrom(isJsonObject(json) ? json : {}, [], 1, reading);
  const config = new FieldReader(configOf(root), ['config'], 'config of the DAG', reading.faults);
  const title = titleOf(root.text('name') ?? config.text('name'), root.text('description'), 'dag');
  const paths = (path: DocumentPath): DocumentPath => {
    const given = sourcePath(places, path);
    return given[0] === 'name' && root.value('name') === undefined ? ['config', 'name'] : given;
  };
  return { definition: { ...title, ...body }, faults: reading.faults, paths };
}

/** @param depth levels of DAGs down to this one, 1 for the outermost */
function levelFrom(json: JsonObject, path: DocumentPath, depth: number, reading: Reading): Level {
  const where = depth === 1 ? 'the DAG' : 'the inner DAG';
  const fields = new FieldReader(json, path, where, reading.faults);
  fields.refuseUnknown(GRAPH_KEYS, GRAPH_IGNORED);
  const configPath = [...path, 'config'];
  const config = new FieldReader(
    fields.object('config') ?? {},
    configPath,
    `config of ${where}`,
    reading.faults,
  );
  config.refuseUnknown(CONFIG_KEYS, DEPTH_KEYS);
  const given = fields.list('tasks');
  const items = given ?? [];
  if (given?.length === 0 || fields.value('tasks') === undefined)
    fields.refuse('MISSING_KEY', 'tasks', 'needs at least one task in "tasks"');
  const list = [...path, 'tasks'];
  const inner = new Map<number, LevelPlaces>();
  const words = { item: 'task', idKeys: ['id', 'name'], dependenciesKey: 'deps' };
  const stages = levelItems(items, list, words, reading.faults).map((item, index) =>
    stageFrom(item, depth, reading, (places) => inner.set(index, places)),
  );
  const keyOf: Readonly<Record<string, string>> = { maxParallel: 'max_parallel', failPolicy: 'fail_policy' };
  const levelPath = (key: string): DocumentPath =>
    keyOf[key] === undefined ? [...path, key] : [...path, 'config', keyOf[key]];
  return {
    body: {
      maxParallel: maxParallelOf(config),
      failPolicy: failPolicyOf(config),
      stages: stages.length === 0 ? [STAND_IN_STAGE] : stages,
    },
    places: { list, items, levelPath, stagePath: taskStagePath, inner },
  };
}

function stageFrom(
  item: LevelItem,
  depth: number,
  reading: Reading,
  enter: (places: LevelPlaces) => void,
): StageInput {
  const { fields, name, dependsOn } = item;
  if (!item.isMapping) return { ...STAND_IN_STAGE, name };
  fields.refuseUnknown(TASK_KEYS, TASK_IGNORED);
  const type = execType(fields);
  const isNested = type === 'Dag' || type === 'Template';
  const base = { name, dependsOn: [...dependsOn], ...taskCommon(fields, isNested) };
  if (type === 'HttpCall') return { ...base, ...httpStage(fields) };
  if (type === 'Local') return { ...base, ...functionStage(fields) };
  if (type === 'Template') return { ...base, ...templateUse(fields) };
  if (type === 'Shell' || type === 'Script') return { ...base, ...taskJob(fields, type) };
  const dag = type === 'Dag' ? innerDagOf(fields, reading.budget) : undefined;
  if (dag === undefined) return { ...base, job: STAND_IN_JOB };
  // What the server allows is less, and judged later: this only bounds the work.
  if (depth >= DEFINITION_LIMITS.highestMaxDepth) {
    const message = `DAG nesting depth exceeds limit (${DEFINITION_LIMITS.highestMaxDepth})`;
    reading.faults.push({ code: 'DEPTH_EXCEEDED', message, path: dag.path });
    return { ...base, job: STAND_IN_JOB };
  }
  const { body, places } = levelFrom(dag.json, dag.path, depth + 1, reading);
  enter(places);
  return { ...base, pipeline: body };
}

/** The kind of a task in its usual spelling; `undefined` after a fault. */
function execType(fields: FieldReader): string | undefined {
  const given = fields.text('exec_type');
  const known = [...new Set([...RUNNABLE, ...Object.keys(UNSUPPORTED)])];
  if (given === undefined) {
    if (fields.value('exec_type') === undefined) {
      fields.refuse('MISSING_KEY', 'exec_type', `needs "exec_type", one of ${RUNNABLE.join(', ')}`);
    }
    return undefined;
  }
  const plain = given.replaceAll('_', '').toLowerCase();
  const type = known.find((each) => each.toLowerCase() === plain);
  if (type === undefined) {
    const message = `unknown exec_type ${show(given)}; one of ${RUNNABLE.join(', ')} can be run`;
    fields.refuse('UNSUPPORTED_TASK', 'exec_type', message);
    return undefined;
  }
  const instead = UNSUPPORTED[type];
  if (instead === undefined) return type;
  if (type === 'Local' && functionStage(fields) !== undefined) return type;
  fields.refuse('UNSUPPORTED_TASK', 'exec_type', `exec_type ${type} cannot be run here yet; ${instead}`);
  return undefined;
}

function configOf(fields: FieldReader): JsonObject {
  const config = fields.value('config');
  return isJsonObject(config) ? config : {};
}

/** None and less mean one, as in the older system. */
function maxParallelOf(config: FieldReader): number {
  const bounds = { min: -Infinity, max: DEFINITION_LIMITS.maxParallel };
  return Math.max(1, config.integer('max_parallel', bounds, 4));
}

function failPolicyOf(config: FieldReader): FailPolicy {
  const given = config.text('fail_policy');
  if (given === undefined) return 'skip_dependents';
  const policy = Object.hasOwn(FAIL_POLICIES, given) ? FAIL_POLICIES[given] : undefined;
  if (policy !== undefined) return policy;
  const message = `"fail_policy" must be SkipDownstream or FailFast, found ${show(given)}`;
  config.refuse('BAD_VALUE', 'fail_policy', message);
  return 'skip_dependents';
}
