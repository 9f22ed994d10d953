import { DEFINITION_LIMITS, type JsonValue } from '../definition/index.ts';
import { builtInPath, builtInStage, isBuiltInTask } from './built-in-task.ts';
import { FieldReader, isJsonObject, ownValue, show } from './field-reader.ts';
import { type LevelItem, levelItems, titleOf } from './level.ts';
import { literalJson } from './literal-text.ts';
import {
  type DocumentPath,
  type OlderFormFault,
  type OlderFormMapping,
  STAND_IN_JOB,
  STAND_IN_STAGE,
  type StageInput,
  sourcePath,
} from './older-form.ts';
import { withPipelineDependencies } from './pipeline-dependencies.ts';

/** What the stage list had where a document says nothing. */
const DEFAULTS = { maxRetries: 3, retryDelayS: 60, retryCapS: 600, priority: 5 } as const;

const MAX_RETRIES = 99;
const MAX_DELAY_S = 366 * 86_400;

const PIPELINE_KEYS = ['name', 'description', 'priority', 'max_retries', 'stages', 'dependencies'];
const STAGE_KEYS = ['name', 'task', 'params', 'depends_on', 'max_retries', 'retry_delay'];

/** What the older API shows with a definition and that says nothing about what is to run. */
const BOOKKEEPING: ReadonlySet<string> = new Set([
  ...['id', 'uuid', 'pipeline_uuid', 'root_task_id', 'task_id', 'stage_order', 'stage_tasks'],
  ...['status', 'result', 'results', 'error_message', 'retry_count'],
  ...['created_at', 'started_at', 'completed_at', 'updated_at'],
]);

/** Params of a `job` task that say how it is run; all others are params of the stage. */
const JOB_PARAMS = ['command', 'env', 'working_dir'] as const;

/**
 * Maps a stage list, `{name, stages: [{name, task, params, depends_on, …}]}` or a bare list of stages, to a
 * definition. Retries become attempts (`max_retries` + 1, `retry_delay` in seconds, doubled each time up to
 * ten minutes), the pipeline's priority 1-10 becomes that of its stages, 5 being our 0. The tasks
 * are `job` and the four that the older system brought along. Never throws on JSON that is nested at most some thousand levels deep.
 */
export function fromStageList(json: JsonValue): OlderFormMapping {
  const faults: OlderFormFault[] = [];
  const isBare = Array.isArray(json);
  const root = new FieldReader(isJsonObject(json) ? json : {}, [], 'the pipeline', faults);
  const given = isBare ? json : root.list('stages');
  const listPath: DocumentPath = isBare ? [] : ['stages'];
  if (!isBare) root.refuseUnknown(PIPELINE_KEYS, BOOKKEEPING);
  if (given?.length === 0 || (!isBare && root.value('stages') === undefined)) {
    root.refuse('MISSING_KEY', isBare ? undefined : 'stages', 'needs at least one stage');
  }
  const items = withPipelineDependencies(root, given ?? []);
  const retries = root.integer('max_retries', { min: 0, max: MAX_RETRIES }, DEFAULTS.maxRetries);
  const priority = root.integer('priority', { min: 1, max: 10 }, DEFAULTS.priority) - DEFAULTS.priority;
  const words = { item: 'stage', idKeys: ['name'], dependenciesKey: 'depends_on' };
  const stages = levelItems(items, listPath, words, faults).map((item) =>
    stageFrom(item, { retries, priority }),
  );
  const title = titleOf(root.text('name'), root.text('description'), 'pipeline');
  const definition = {
    ...title,
    // All stages of a layer ran at once; the slots of the agents are the limit here.
    maxParallel: DEFINITION_LIMITS.maxParallel,
    stages: stages.length === 0 ? [STAND_IN_STAGE] : stages,
  };
  const level = { list: listPath, items, levelPath, stagePath, inner: new Map() };
  return { definition, faults, paths: (path) => (path.length === 0 ? [] : sourcePath(level, path)) };
}

function stageFrom(item: LevelItem, inherited: { retries: number; priority: number }): StageInput {
  const { fields, name, dependsOn } = item;
  if (!item.isMapping) return { ...STAND_IN_STAGE, name };
  fields.refuseUnknown(STAGE_KEYS, BOOKKEEPING);
  const attempts = fields.integer('max_retries', { min: 0, max: MAX_RETRIES }, inherited.retries) + 1;
  const delayS = fields.number('retry_delay', { min: 0, max: MAX_DELAY_S }, DEFAULTS.retryDelayS);
  const backoff = { backoff: delayS, factor: 2, maxBackoff: Math.max(delayS, DEFAULTS.retryCapS) };
  const given = fields.object('params') ?? {};
  return {
    name,
    dependsOn: [...dependsOn],
    priority: inherited.priority,
    retry: { attempts, ...backoff },
    ...runnable(fields, given, inherited.priority),
  };
}

function runnable(
  fields: FieldReader,
  params: { [key: string]: JsonValue },
  pipelinePriority: number,
): Partial<StageInput> {
  const task = fields.text('task');
  if (isBuiltInTask(task)) return builtInStage(fields, task, params, pipelinePriority);
  if (task !== 'job') {
    refuseTask(fields, task);
    return { job: STAND_IN_JOB };
  }
  const command = ownValue(params, 'command');
  if (command === undefined) {
    fields.refuse('MISSING_KEY', 'params', 'a "job" needs params.command, a text for the shell or a list');
    return { job: STAND_IN_JOB };
  }
  const { env, working_dir: workingDir } = params;
  const others = Object.entries(params).filter(([key]) => !JOB_PARAMS.some((own) => own === key));
  const job: StageInput['job'] = {
    command: literalJson(command),
    ...(env === undefined || env === null ? {} : { env: literalJson(env) }),
    ...(workingDir === undefined || workingDir === null ? {} : { workingDir: literalJson(workingDir) }),
  };
  // The schema of a definition judges what is in here; it knows what a command and an environment are.
  return { job, params: literalParams(others) };
}

function literalParams(entries: readonly [string, JsonValue][]): { [key: string]: JsonValue } {
  return Object.fromEntries(entries.map(([key, value]) => [key, literalJson(value)]));
}

function refuseTask(fields: FieldReader, task: string | undefined): void {
  const instead =
    'use the task "job" with params.command, the program to run; other params reach it in the file $TRAINYARD_PARAMS';
  if (task === undefined) {
    if (fields.value('task') === undefined) fields.refuse('MISSING_KEY', 'task', `needs "task"; ${instead}`);
    return;
  }
  fields.refuse('UNSUPPORTED_TASK', 'task', `the task ${show(task)} is not known here; ${instead}`);
}

function levelPath(key: string): DocumentPath {
  return [key];
}

const STAGE_PATHS: Readonly<Record<string, DocumentPath>> = {
  dependsOn: ['depends_on'],
  workingDir: ['working_dir'],
};

function stagePath(path: DocumentPath): DocumentPath {
  const [key, ...rest] = path;
  if (key === undefined) return [];
  if (key === 'retry') return [rest[0] === 'backoff' ? 'retry_delay' : 'max_retries'];
  const builtIn = builtInPath(path);
  if (builtIn !== undefined) return builtIn;
  if (key === 'job') return ['params', ...rest.flatMap((step) => STAGE_PATHS[step] ?? [step])];
  return [...(STAGE_PATHS[key] ?? [key]), ...rest];
}
