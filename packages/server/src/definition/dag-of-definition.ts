import type { Dag, Fault as DagFault, DagNode, Foreach } from '@trainyard/dag';
import {
  DEFINITION_LIMITS,
  dependencyNames,
  type ForeachDefinition,
  type Hook,
  type JsonValue,
  type PipelineBody,
  type StageDefinition,
  stagePriority,
} from '@trainyard/protocol/definition';
import { clip, type DefinitionPath, type Fault } from './faults.ts';

/** The definition in the words of the DAG engine; node i of a level is stage i of that level. */
export function toDag(body: PipelineBody): Dag {
  const hooks = new Set(body.stages.filter(({ hook }) => hook !== undefined).map(({ name }) => name));
  return {
    maxParallel: body.maxParallel,
    failPolicy: body.failPolicy,
    onSiblings: body.onSiblings,
    ...(body.deadline === undefined ? {} : { deadlineMs: body.deadline }),
    nodes: body.stages.map((stage) => {
      // To depend on a hook is a fault that is told by itself; here it would look like a cycle.
      const dependsOn = dependencyNames(stage, body.stages);
      return toNode(stage, hooks.size === 0 ? dependsOn : dependsOn.filter((name) => !hooks.has(name)));
    }),
  };
}

function toNode(stage: StageDefinition, dependsOn: readonly string[]): DagNode {
  const { name, triggerRule, when, hook, foreach, retry, timeout, pipeline } = stage;
  const takesNoPlace = (stage.approval ?? stage.select_best) !== undefined;
  const priority = stagePriority(stage);
  if (
    (when ?? hook ?? foreach ?? retry ?? timeout) === undefined &&
    !takesNoPlace &&
    pipeline === undefined
  ) {
    // Most of a large definition: nothing is put together for it.
    return { name, dependsOn, triggerRule, priority };
  }
  return {
    name,
    dependsOn,
    triggerRule: hook === undefined ? triggerRule : 'always',
    ...(hook === undefined ? {} : { outlivesDeadline: true }),
    ...(when === undefined && hook === undefined ? {} : { condition: true }),
    ...(foreach === undefined ? {} : { foreach: toForeach(foreach) }),
    priority,
    ...(takesNoPlace ? { takesNoPlace } : {}),
    ...timeoutOf(timeout, hook),
    ...(retry === undefined
      ? {}
      : {
          retry: {
            attempts: retry.attempts,
            backoffMs: retry.backoff,
            factor: retry.factor,
            maxBackoffMs: retry.maxBackoff,
            jitter: retry.jitter,
            retryOn: retry.retryOn,
          },
        }),
    ...(pipeline === undefined ? {} : { dag: toDag(pipeline) }),
  };
}

/** What outlives the deadlines around it must not be able to hold up its pipeline for ever. */
function timeoutOf(timeout: number | undefined, hook: Hook | undefined): { timeoutMs?: number } {
  const timeoutMs = timeout ?? (hook === undefined ? undefined : DEFINITION_LIMITS.hookTimeoutMs);
  return timeoutMs === undefined ? {} : { timeoutMs };
}

function toForeach({ maxItems, maxParallel, failurePolicy, emptyAs }: ForeachDefinition): Foreach {
  return { maxItems, maxParallel, failurePolicy, emptyAs };
}

/**
 * As much of a DAG as a faulty definition lets one see: names, dependencies and nesting, nothing else. A
 * stage without a readable name gets one that no stage can have.
 */
export function looseDag(json: JsonValue | undefined): Dag {
  return { nodes: stagesOf(json).map(looseNode) };
}

function looseNode(stage: JsonValue, index: number): DagNode {
  const fields = isObject(stage) ? stage : {};
  const { name, dependsOn, pipeline } = fields;
  const names = Array.isArray(dependsOn) ? dependsOn : [];
  return {
    name: isName(name) ? name : `${UNREADABLE}${index}`,
    dependsOn: names.every((each) => typeof each === 'string') ? names : [],
    ...(isObject(pipeline) ? { dag: looseDag(pipeline) } : {}),
  };
}

const UNREADABLE = 'unreadable name ';

function isName(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 200 && !value.includes('/');
}

/** The fault of having more stages than are allowed, found before anything else is looked at. */
export function stageCountFault(json: JsonValue): Fault | undefined {
  const limit = DEFINITION_LIMITS.maxStages;
  const open: { readonly body: JsonValue; readonly path: DefinitionPath }[] = [{ body: json, path: [] }];
  let total = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const stages = stagesOf(next.body);
    if (total + stages.length > limit) {
      const message = `this stage passes the limit of ${limit} stages in one definition; split the pipeline`;
      return { code: 'TOO_MANY_STAGES', message, path: [...next.path, 'stages', limit - total] };
    }
    total += stages.length;
    for (let index = 0; index < stages.length; index++) {
      const stage = stages[index];
      const pipeline = isObject(stage) ? stage['pipeline'] : undefined;
      if (isObject(pipeline))
        open.push({ body: pipeline, path: [...next.path, 'stages', index, 'pipeline'] });
    }
  }
  return undefined;
}

/** Faults of names, dependencies and nesting: what can be judged although the rest has faults. */
const NAMES_ONLY: ReadonlySet<DagFault['code']> = new Set([
  'duplicate_name',
  'unknown_dependency',
  'self_dependency',
  'duplicate_dependency',
  'cycle',
  'depth_exceeded',
  'too_many_dependencies',
] as const);

/** Faults of the DAG engine with the paths and words of the definition. */
export function dagFaults(
  faults: readonly DagFault[],
  json: JsonValue,
  scope: 'all' | 'names only' | 'values only',
): Fault[] {
  return faults.flatMap((fault) => {
    if (scope !== 'all' && NAMES_ONLY.has(fault.code) !== (scope === 'names only')) return [];
    const path = definitionPath(fault.path);
    // With a name unreadable on this level, the unknown dependency may well be the stage it belongs to.
    if (fault.code === 'unknown_dependency' && hasUnreadableName(json, path)) return [];
    return [{ code: fault.code.toUpperCase(), message: wording(fault, json, path), path }];
  });
}

const DAG_WORDS: Readonly<Record<string, string>> = {
  nodes: 'stages',
  dag: 'pipeline',
  deadlineMs: 'deadline',
  timeoutMs: 'timeout',
  backoffMs: 'backoff',
  maxBackoffMs: 'maxBackoff',
};

function definitionPath(path: DagFault['path']): DefinitionPath {
  return path.map((step) => (typeof step === 'string' ? (DAG_WORDS[step] ?? step) : step));
}

function wording(fault: DagFault, json: JsonValue, path: DefinitionPath): string {
  if (fault.code === 'duplicate_name') {
    return `the name ${clip(String(valueAt(json, path)))} is used by an earlier stage of this pipeline; names are unique within one pipeline`;
  }
  return fault.message
    .replace('depends on unknown node', 'depends on an unknown stage')
    .replace('it is not a sibling in the same DAG', 'there is no such stage in the same pipeline')
    .replace('A nested DAG', 'a nested pipeline')
    .replace('on the nodes inside it', 'on the stages inside it')
    .replace(/^The DAG has/, 'the pipeline has')
    .replace('a joining node', 'a joining stage');
}

function hasUnreadableName(json: JsonValue, path: DefinitionPath): boolean {
  const level = path.slice(0, path.lastIndexOf('dependsOn') - 1);
  const stages = valueAt(json, level);
  return !Array.isArray(stages) || stages.some((stage) => !isObject(stage) || !isName(stage['name']));
}

/** The value at a path of a JSON document; `undefined` where there is none. */
export function valueAt(json: JsonValue, path: DefinitionPath): JsonValue | undefined {
  let value: JsonValue | undefined = json;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (!Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, JsonValue>)[step];
  }
  return value;
}

function stagesOf(body: JsonValue | undefined): JsonValue[] {
  const stages = isObject(body) ? body['stages'] : undefined;
  return Array.isArray(stages) ? stages : [];
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
