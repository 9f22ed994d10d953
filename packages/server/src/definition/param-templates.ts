import { type JsonValue, TrainyardError } from '@trainyard/protocol/definition';
import { compileExpression, ExpressionProblem, problemOf, type TemplateRoot, toCel } from './cel.ts';
import { didYouMean } from './did-you-mean.ts';
import { mayHoldExpressions, splitExpressions } from './expression-text.ts';
import { resolveTexts } from './expressions.ts';
import { jsonLimitFault } from './value-limits.ts';

/** Values for params of which texts may hold `${{ … }}` over one variable. */
export type Templates = Readonly<Record<string, JsonValue>>;

/**
 * Checks templates before anything is stored: syntax, and that they name nothing but `root`.
 * @param fields the fields of `root`, where they are known
 * @throws TrainyardError INVALID_PARAMS naming every fault
 */
export function checkTemplates(templates: Templates, root: TemplateRoot, fields?: readonly string[]): void {
  const limit = jsonLimitFault(templates);
  const problems = limit === undefined ? [] : [limit.message];
  const check = (param: string, value: JsonValue): void => {
    if (typeof value === 'string') {
      problems.push(...textProblems(value, root, fields).map((problem) => `param "${param}": ${problem}`));
    } else if (typeof value === 'object' && value !== null) {
      for (const inner of Object.values(value)) check(param, inner);
    }
  };
  if (problems.length === 0) for (const [param, value] of Object.entries(templates)) check(param, value);
  if (problems.length > 0)
    throw new TrainyardError('INVALID_PARAMS', problems.join('\n'), { details: { problems } });
}

/** The params for a run. @throws TrainyardError INVALID_PARAMS naming the expression and the reason */
export function resolveTemplates(
  templates: Templates,
  root: TemplateRoot,
  value: JsonValue,
): Record<string, JsonValue> {
  const scope = { [root]: toCel(value) };
  const resolved = resolveTexts({ ...templates }, (source) => evaluate(source, scope));
  return resolved as Record<string, JsonValue>;
}

/** @throws TrainyardError INVALID_PARAMS when it cannot be computed or is neither true nor false */
export function evaluateCondition(source: string, root: TemplateRoot, value: JsonValue): boolean {
  const result = evaluate(source, { [root]: toCel(value) });
  if (typeof result === 'boolean') return result;
  throw invalid(source, 'is neither true nor false');
}

/** As `checkTemplates`, for one expression without `${{ }}`. */
export function checkCondition(source: string, root: TemplateRoot): void {
  const [problem] = expressionProblems(source, root, undefined);
  if (problem !== undefined) throw new TrainyardError('INVALID_PARAMS', `the condition: ${problem}`);
}

function textProblems(text: string, root: TemplateRoot, fields: readonly string[] | undefined): string[] {
  if (!mayHoldExpressions(text)) return [];
  const split = splitExpressions(text);
  if (!split.ok) return [split.problem];
  return split.parts.flatMap((part) =>
    part.kind === 'literal' ? [] : expressionProblems(part.source, root, fields),
  );
}

function expressionProblems(
  source: string,
  root: TemplateRoot,
  fields: readonly string[] | undefined,
): string[] {
  try {
    return compileExpression(source).references.flatMap((reference) => {
      if (reference.root !== root) {
        return [`"${source}" names "${reference.root}"; only "${root}" is known here`];
      }
      if (fields === undefined || reference.name === undefined || fields.includes(reference.name)) return [];
      return [`there is no ${root}.${reference.name}${didYouMean(reference.name, fields)}`];
    });
  } catch (error) {
    return [`"${source}": ${reasonOf(error)}`];
  }
}

function evaluate(source: string, scope: Readonly<Record<string, unknown>>): JsonValue {
  try {
    return compileExpression(source).evaluate(scope);
  } catch (error) {
    throw invalid(source, reasonOf(error), error);
  }
}

function invalid(source: string, reason: string, cause?: unknown): TrainyardError {
  return new TrainyardError('INVALID_PARAMS', `expression "\${{ ${source} }}": ${reason}`, { cause });
}

function reasonOf(error: unknown): string {
  return error instanceof ExpressionProblem ? error.message : problemOf(error);
}
