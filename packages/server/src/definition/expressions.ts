import type { JobDefinition, JsonValue, ParamSpec } from '@trainyard/protocol/definition';
import { TrainyardError } from '@trainyard/protocol/definition';
import {
  type CompiledExpression,
  celMapping,
  compileExpression,
  EXPRESSION_ROOTS,
  ExpressionProblem,
  problemOf,
  toCel,
} from './cel.ts';
import { didYouMean } from './did-you-mean.ts';
import { mayHoldExpressions, splitExpressions } from './expression-text.ts';
import { TooMuchWork } from './expression-work.ts';
import { jsonSize } from './json-size.ts';
import { MAX_RESULT_SIZE, ResultsTooLarge } from './results-too-large.ts';

/** What expressions know of another stage. */
export interface StageInScope {
  readonly status: string;
  /** Why it failed; both empty when it did not. */
  readonly error: { readonly code: string; readonly message: string };
  readonly outputs: JsonValue;
}

/** What expressions of one stage may refer to. */
export interface ExpressionScope {
  readonly params: Readonly<Record<string, JsonValue>>;
  /** The definition's params: those of type `number` stay fractions, so that `params.lr / 2` is 0.5 for 1. */
  readonly paramSpecs?: Readonly<Record<string, ParamSpec>>;
  /** The stages that are visible here (see `visibleStages`), by name. */
  readonly stages: Readonly<Record<string, StageInScope>>;
  /** Items of the foreach stages around, by their names. */
  readonly item: Readonly<Record<string, JsonValue>>;
  /** Of the level of the hook stage around; empty elsewhere. */
  readonly outcome: { readonly status?: string; readonly error?: string; readonly stage?: string };
  readonly run: { readonly id: string; readonly name: string };
  /** Where secrets may be named: what stands for each until the agent puts its value in. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/**
 * Replaces every `${{ … }}` in the texts of a JSON value (not in its keys). A text that is exactly one
 * expression becomes the expression's JSON value; otherwise results are put into the text: texts as they
 * are, null as nothing, everything else as JSON.
 *
 * @throws TrainyardError INVALID_PARAMS naming the expression, the reason and the names that exist;
 * `ResultsTooLarge`
 */
export function resolveExpressions<T extends JsonValue>(value: T, scope: ExpressionScope): JsonValue {
  let cel: Readonly<Record<string, unknown>> | undefined;
  let size = 0;
  const evaluate = (source: string): JsonValue => {
    cel ??= celScope(scope);
    const result = evaluateExpression(source, scope, cel);
    size += jsonSize(result);
    if (size > MAX_RESULT_SIZE) throw new ResultsTooLarge(source, size);
    return result;
  };
  return resolveTexts(value, evaluate);
}

/** The job with all expressions resolved to text, ready for an agent. Throws as `resolveExpressions`. */
export function resolveJob(job: JobDefinition, scope: ExpressionScope): JobDefinition {
  const resolved = resolveExpressions(
    { command: job.command, env: job.env, workingDir: job.workingDir, artifacts: job.artifacts },
    scope,
  ) as {
    command: JsonValue;
    env: Record<string, JsonValue>;
    workingDir: JsonValue;
    artifacts: Record<string, JsonValue>;
  };
  return {
    ...job,
    command: Array.isArray(resolved.command) ? resolved.command.map(asText) : asText(resolved.command),
    env: textsOf(resolved.env),
    artifacts: textsOf(resolved.artifacts),
    workingDir: asText(resolved.workingDir),
  };
}

/** Puts what `evaluate` says in place of every `${{ … }}` in the texts of a value. */
export function resolveTexts(value: JsonValue, evaluate: (source: string) => JsonValue): JsonValue {
  if (typeof value === 'string') return mayHoldExpressions(value) ? resolveText(value, evaluate) : value;
  if (Array.isArray(value)) return value.map((item) => resolveTexts(item, evaluate));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, resolveTexts(inner, evaluate)]),
  );
}

function resolveText(text: string, evaluate: (source: string) => JsonValue): JsonValue {
  const split = splitExpressions(text);
  if (!split.ok) throw new TrainyardError('INVALID_PARAMS', split.problem);
  const only = split.parts.length === 1 ? split.parts[0] : undefined;
  if (only?.kind === 'expression') return evaluate(only.source);
  return split.parts
    .map((part) => (part.kind === 'literal' ? part.text : asText(evaluate(part.source))))
    .join('');
}

function textsOf(values: Readonly<Record<string, JsonValue>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, asText(value)]));
}

function asText(value: JsonValue): string {
  if (typeof value === 'string') return value;
  return value === null ? '' : JSON.stringify(value);
}

function celScope(scope: ExpressionScope): Readonly<Record<string, unknown>> {
  const params = Object.entries(scope.params).map(([name, value]): [string, unknown] => {
    const type = scope.paramSpecs?.[name]?.type;
    return [name, toCel(value, type === 'number' ? 'double' : 'int')];
  });
  return {
    params: celMapping(params),
    stages: toCel(scope.stages as unknown as JsonValue),
    item: toCel(scope.item as JsonValue),
    outcome: { ...scope.outcome },
    run: { id: scope.run.id, name: scope.run.name },
    secrets: celMapping(Object.entries(scope.secrets ?? {})),
  };
}

function evaluateExpression(
  source: string,
  scope: ExpressionScope,
  cel: Readonly<Record<string, unknown>>,
): JsonValue {
  let expression: CompiledExpression | undefined;
  try {
    expression = compileExpression(source);
    return expression.evaluate(cel);
  } catch (error) {
    const reason = error instanceof ExpressionProblem ? error.message : problemOf(error);
    const isWork = error instanceof TooMuchWork;
    const hint =
      expression === undefined || isWork
        ? ''
        : missingName(expression, scope) || missingOutputs(expression, scope, reason);
    throw new TrainyardError('INVALID_PARAMS', `expression "\${{ ${source} }}": ${hint || reason}`, {
      cause: error,
    });
  }
}

const WHAT_A_ROOT_HOLDS = {
  params: 'param',
  stages: 'visible stage',
  item: 'item',
  outcome: 'field of the outcome',
  run: 'field of the run',
  secrets: 'secret here',
} as const satisfies Record<(typeof EXPRESSION_ROOTS)[number], string>;

/** Names what an expression refers to in vain; empty when everything it names is there. */
function missingName(expression: CompiledExpression, scope: ExpressionScope): string {
  for (const { root, name } of expression.references) {
    if (!EXPRESSION_ROOTS.includes(root as (typeof EXPRESSION_ROOTS)[number])) {
      return `there is no "${root}"${didYouMean(root, EXPRESSION_ROOTS)}`;
    }
    const names = Object.keys(scope[root as keyof ExpressionScope] ?? {});
    if (name === undefined || names.includes(name)) continue;
    const what = WHAT_A_ROOT_HOLDS[root as keyof typeof WHAT_A_ROOT_HOLDS];
    return `there is no ${what} "${name}"${didYouMean(name, names)}`;
  }
  return '';
}

/** Says of a key that is not there that its stage did not end as one that has outputs; empty for any other cause. */
function missingOutputs(
  { references }: CompiledExpression,
  { stages }: ExpressionScope,
  reason: string,
): string {
  if (!reason.startsWith('No such key')) return '';
  const without = new Set<string>();
  for (const { root, name } of references) {
    if (root === 'stages' && name !== undefined && isWithoutOutputs(stages[name])) without.add(name);
  }
  if (without.size === 0) return '';
  const told = [...without].map((name) => `stage "${name}" has no outputs: it is ${stages[name]!.status}`);
  return `${reason}: ${told.join(', ')}`;
}

function isWithoutOutputs(stage: StageInScope | undefined): boolean {
  if (stage === undefined || typeof stage.outputs !== 'object' || stage.outputs === null) return false;
  return Object.keys(stage.outputs).length === 0;
}
