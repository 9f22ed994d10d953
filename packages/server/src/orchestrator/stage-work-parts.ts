import type { AttemptSpec, BuiltinProgram, JsonValue, StageDefinition } from '@trainyard/protocol';
import type { ExpressionScope } from '../definition/expressions.ts';
import type { Found, Wanted } from './lookups.ts';
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
  extends Pick<
    AttemptSpec,
    'command' | 'workingDir' | 'env' | 'params' | 'gpus' | 'graceMs' | 'builtin' | 'training'
  > {
  readonly artifacts?: AttemptSpec['artifacts'];
  /** Left out: the agent's own machine. */
  readonly executor?: string;
  readonly remote?: AttemptSpec['remote'];
  /** What holds where the stage does not say it. */
  readonly metricsFromLog?: boolean;
  readonly queue: string;
}

/** Work that can be put together once what is wanted of the store is there. */
export interface PendingWork {
  /** Left out when nothing is. */
  readonly wanted?: Wanted;
  /** @throws StageFault */
  build(found: Found): StageWork;
}

/** How the work of one stage kind is put together. @throws TrainyardError INVALID_PARAMS, StageFault */
export type WorkKind = (stage: StageDefinition, input: WorkInput) => PendingWork;

/** An agent that does not know the program yet fails with a message that names it. */
export function builtinProgram(
  program: BuiltinProgram,
  input: Record<string, unknown>,
): Pick<StageWork, 'command' | 'builtin'> {
  return { command: [`trainyard-${program}`], builtin: { program, input } };
}

export function textsOf(values: Readonly<Record<string, JsonValue>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, asText(value)]));
}

/** An expression alone keeps its type; where a text is wanted, it becomes one. */
export function asText(value: JsonValue): string {
  if (typeof value === 'string') return value;
  return value === null ? '' : JSON.stringify(value);
}
