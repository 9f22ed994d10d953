import {
  type AttemptSpec,
  type JsonValue,
  type StageDefinition,
  type StageKind,
  stageKind,
} from '@trainyard/protocol';
import type { ExpressionScope } from '../definition/expressions.ts';
import { resolveJob } from '../definition/expressions.ts';
import type { Params } from './stage-scope.ts';

/** What there is to know when the work of a stage is put together. */
export interface WorkInput {
  readonly scope: ExpressionScope;
  readonly params: Params;
  /** Replaces the expressions of a value. @throws TrainyardError INVALID_PARAMS */
  resolve<T>(value: T): T;
  /** Makes a path that is relative to the pipeline file absolute. */
  path(path: string): string;
}

/** What an agent is to do for a stage, before it has a run and an attempt. */
export interface StageWork
  extends Pick<AttemptSpec, 'command' | 'workingDir' | 'env' | 'params' | 'gpus' | 'graceMs' | 'builtin'> {
  readonly artifacts?: AttemptSpec['artifacts'];
  readonly queue: string;
}

/** The kinds that an agent carries out. */
export type WorkKind = Exclude<StageKind, 'pipeline' | 'approval'>;

/** The work of a stage with every `${{ … }}` resolved. @throws TrainyardError INVALID_PARAMS */
export function stageWork(stage: StageDefinition, input: WorkInput): StageWork {
  return WORK[stageKind(stage) as WorkKind](stage, input);
}

const WORK: Readonly<Record<WorkKind, (stage: StageDefinition, input: WorkInput) => StageWork>> = {
  job: ({ job }, { scope, params, path }) => {
    const { command, env, workingDir, artifacts } = resolveJob(job!, scope);
    const { queue, resources, grace } = job!;
    return {
      queue,
      command,
      workingDir: path(workingDir),
      env,
      params,
      artifacts,
      gpus: resources.gpus,
      graceMs: grace,
    };
  },
  http: ({ http }, { params, resolve, path }) => {
    const { queue, grace, ...request } = resolve(http!);
    return {
      ...builtinProgram('http', texts(request, ['url', 'body'], ['headers', 'query'])),
      ...{ queue, workingDir: path('.'), env: {}, params, gpus: 0, graceMs: grace },
    };
  },
  function: ({ function: given }, { params, resolve, path }) => {
    const { module, export: name, args, workingDir, env, queue, resources, grace } = resolve(given!);
    return {
      ...builtinProgram('function', { module: path(asText(module)), export: asText(name), args }),
      ...{ queue, workingDir: path(asText(workingDir)), env: textsOf(env), params },
      ...{ gpus: resources.gpus, graceMs: grace },
    };
  },
};

/** An agent that does not know the program yet fails with a message that names it. */
function builtinProgram(
  program: NonNullable<AttemptSpec['builtin']>['program'],
  input: Record<string, unknown>,
): Pick<StageWork, 'command' | 'builtin'> {
  return { command: [`trainyard-${program}`], builtin: { program, input } };
}

/** An expression alone keeps its type; where a text is wanted, it becomes one. */
function texts(
  values: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  records: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      if (value === undefined) return [key, value];
      if (keys.includes(key)) return [key, asText(value as JsonValue)];
      return [key, records.includes(key) ? textsOf(value as Record<string, JsonValue>) : value];
    }),
  );
}

function textsOf(values: Readonly<Record<string, JsonValue>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, asText(value)]));
}

function asText(value: JsonValue): string {
  if (typeof value === 'string') return value;
  return value === null ? '' : JSON.stringify(value);
}
