import { DEFINITION_LIMITS, type JsonValue } from '../definition/index.ts';
import { FieldReader, isJsonObject, type JsonObject, show } from './field-reader.ts';
import { type LevelItem, levelItems, titleOf } from './level.ts';
import { literalText } from './literal-text.ts';
import {
  type DocumentPath,
  type OlderFormFault,
  type OlderFormMapping,
  STAND_IN_STAGE,
  type StageInput,
  sourcePath,
} from './older-form.ts';

/** What the stages of an imported workflow do. */
export const wfFormatJobs = {
  noop: 'Nothing: every stage runs `true`.',
  command: 'The command that was recorded for the task, by sh; nothing where none was.',
  sleep: 'Sleep for the runtime that was recorded, divided by the speedup.',
} as const;
export type WfFormatJobs = keyof typeof wfFormatJobs;

export interface WfFormatOptions {
  /** Name of the pipeline (default: from the document). */
  readonly name?: string;
  /** Default `noop`. */
  readonly jobs?: WfFormatJobs;
  /** By how much a `sleep` is shorter than the recorded runtime (default 1). */
  readonly speedup?: number;
  /** Stages that may run at once (default: as many as there are slots). */
  readonly maxParallel?: number;
}

const VERSION = '1.5';
const TASKS: DocumentPath = ['workflow', 'specification', 'tasks'];
const RECORDED: DocumentPath = ['workflow', 'execution', 'tasks'];
const MAX_RUNTIME_S = 366 * 86_400;
const NOTHING_TO_DO = { command: 'true' } as const;

/** What was recorded of one task. */
interface Recorded {
  readonly fields: FieldReader;
  readonly runtimeS: number | undefined;
  /** As a line for sh: arguments were recorded the way a shell had them. */
  readonly command: string | undefined;
}

/**
 * Maps a recorded workflow in WfFormat 1.5 (https://github.com/wfcommons/WfFormat) to a pipeline: one stage per
 * task, named after its id, that waits for the tasks that are its parents or have it as a child. The recorded
 * runtime stays in the params of the stage as `runtimeInSeconds`, and so does the command unless it is run.
 */
export function fromWfFormat(json: JsonValue, options: WfFormatOptions = {}): OlderFormMapping {
  const faults: OlderFormFault[] = [];
  const root = new FieldReader(isJsonObject(json) ? json : {}, [], 'the workflow file', faults);
  if (!isJsonObject(json)) root.refuse('WRONG_TYPE', undefined, `must be a mapping, found ${show(json)}`);
  else checkVersion(root);
  const workflow = isJsonObject(json) ? inner(root, 'workflow', faults) : undefined;
  const specification = inner(workflow, 'specification', faults);
  const items = specification?.list('tasks') ?? [];
  if (specification !== undefined && items.length === 0)
    specification.refuse('MISSING_KEY', 'tasks', 'needs at least one task in "tasks"');
  const words = { item: 'task', idKeys: ['id', 'name'], dependenciesKey: 'parents' };
  const tasks = levelItems(items, TASKS, words, faults);
  const ids = items.map((item) => String(isJsonObject(item) ? (item['id'] ?? item['name']) : ''));
  const dependencies = dependenciesOf(tasks, ids);
  const recorded = recordedTasks(workflow, new Set(ids), faults);
  const stages = tasks.map((task, index) =>
    stageFrom(task, dependencies[index]!, { id: ids[index]!, recorded: recorded.get(ids[index]!), options }),
  );
  const title = titleOf(options.name ?? root.text('name'), root.text('description'), 'workflow');
  const level = { list: TASKS, items, levelPath, stagePath, inner: new Map() };
  return {
    definition: {
      ...title,
      maxParallel: options.maxParallel ?? DEFINITION_LIMITS.maxParallel,
      stages: stages.length === 0 ? [STAND_IN_STAGE] : stages,
    },
    faults,
    paths: (path) => (path.length === 0 ? [] : sourcePath(level, path)),
  };
}

function checkVersion(root: FieldReader): void {
  const version = root.value('schemaVersion');
  if (version === VERSION || version === Number(VERSION)) return;
  const found = version === undefined ? 'there is no "schemaVersion"' : `found ${show(version)}`;
  const message = `"schemaVersion" must be "${VERSION}", the version of WfFormat that can be read here; ${found}`;
  root.refuse(version === undefined ? 'MISSING_KEY' : 'BAD_VALUE', 'schemaVersion', message);
}

function inner(
  fields: FieldReader | undefined,
  key: string,
  faults: OlderFormFault[],
): FieldReader | undefined {
  const object = fields?.object(key);
  if (fields === undefined) return undefined;
  if (object !== undefined) return new FieldReader(object, [...fields.path, key], `"${key}"`, faults);
  if (fields.value(key) === undefined) fields.refuse('MISSING_KEY', key, `needs "${key}"`);
  return undefined;
}

/** Per task the names of those it waits for, each once; a name that no task has is left to be refused. */
function dependenciesOf(tasks: readonly LevelItem[], ids: readonly string[]): string[][] {
  const indexById = new Map(ids.map((id, index) => [id, index]));
  const all = tasks.map(({ dependsOn }) => new Set(dependsOn));
  for (const { fields, name } of tasks) {
    for (const [at, child] of fields.texts('children').entries()) {
      const index = indexById.get(child);
      if (index !== undefined) all[index]!.add(name);
      else
        fields.refuse(
          'UNKNOWN_DEPENDENCY',
          'children',
          `entry ${at + 1} of "children" is ${show(child)}, which is no task`,
        );
    }
  }
  return all.map((names) => [...names]);
}

function recordedTasks(
  workflow: FieldReader | undefined,
  ids: ReadonlySet<string>,
  faults: OlderFormFault[],
): Map<string, Recorded> {
  const found = new Map<string, Recorded>();
  const execution = workflow?.object('execution');
  if (execution === undefined) return found;
  const list = new FieldReader(execution, RECORDED.slice(0, -1), '"execution"', faults).list('tasks') ?? [];
  for (const [index, item] of list.entries()) {
    const json = isJsonObject(item) ? item : {};
    const fields = new FieldReader(json, [...RECORDED, index], `recorded task ${index + 1}`, faults);
    const id = String(fields.value('id') ?? '');
    if (!ids.has(id)) fields.refuse('BAD_VALUE', 'id', `"id" is ${show(json['id'])}, which no task has`);
    else if (found.has(id)) fields.refuse('DUPLICATE_NAME', 'id', `the task ${show(id)} is recorded twice`);
    else found.set(id, { fields, runtimeS: runtimeOf(fields), command: commandOf(fields, faults) });
  }
  return found;
}

function runtimeOf(fields: FieldReader): number | undefined {
  const runtimeS = fields.number('runtimeInSeconds', { min: 0, max: MAX_RUNTIME_S }, -1);
  return runtimeS < 0 ? undefined : runtimeS;
}

function commandOf(fields: FieldReader, faults: OlderFormFault[]): string | undefined {
  const json = fields.object('command');
  if (json === undefined) return undefined;
  const command = new FieldReader(json, [...fields.path, 'command'], `command of ${fields.owner}`, faults);
  const program = command.text('program');
  return program ? [program, ...command.texts('arguments')].join(' ') : undefined;
}

interface Task {
  readonly id: string;
  readonly recorded: Recorded | undefined;
  readonly options: WfFormatOptions;
}

function stageFrom({ name, fields }: LevelItem, dependsOn: readonly string[], task: Task): StageInput {
  const { recorded, id } = task;
  const job = jobOf(fields, task);
  const keepsCommand = recorded?.command !== undefined && job.command !== literalText(recorded.command);
  const params: JsonObject = {
    ...(name !== id && { task: literalText(id) }),
    ...(recorded?.runtimeS !== undefined && { runtimeInSeconds: recorded.runtimeS }),
    ...(keepsCommand && { command: literalText(recorded.command!) }),
  };
  return {
    name,
    ...(dependsOn.length > 0 && { dependsOn }),
    ...(Object.keys(params).length > 0 && { params }),
    job,
  };
}

function jobOf(fields: FieldReader, { recorded, options }: Task): { readonly command: string | string[] } {
  const { jobs = 'noop', speedup = 1 } = options;
  if (jobs === 'command')
    return recorded?.command ? { command: literalText(recorded.command) } : NOTHING_TO_DO;
  if (jobs === 'noop') return NOTHING_TO_DO;
  if (recorded?.runtimeS !== undefined)
    return { command: ['sleep', String(Number((recorded.runtimeS / speedup).toFixed(3)))] };
  (recorded?.fields ?? fields).refuse(
    'MISSING_KEY',
    undefined,
    'has no recorded "runtimeInSeconds" to sleep for',
  );
  return NOTHING_TO_DO;
}

function levelPath(key: string): DocumentPath {
  return key === 'name' || key === 'description' ? [key] : [];
}

function stagePath([key, ...rest]: DocumentPath): DocumentPath {
  if (key === 'dependsOn') return ['parents', ...rest];
  return key === 'name' ? ['id'] : [];
}
