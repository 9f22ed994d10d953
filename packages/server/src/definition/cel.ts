import { type ASTNode, Environment, type ParseResult } from '@marcbachmann/cel-js';
import type { JsonValue } from '@trainyard/protocol/definition';
import { comparedStatuses } from './compared-statuses.ts';
import { countSteps, weighOperands } from './counting-evaluator.ts';
import { takeSteps, withStepLimit } from './expression-work.ts';

/** The variables that an expression may name. */
export const EXPRESSION_ROOTS = ['params', 'stages', 'item', 'outcome', 'run', 'secrets'] as const;

/** Variables outside of definitions: what a trigger got, and what a schedule knows of its instant. */
export const TEMPLATE_ROOTS = ['payload', 'schedule'] as const;
export type TemplateRoot = (typeof TEMPLATE_ROOTS)[number];

/** Comprehensions (`map`, `filter`, `all`…) in one expression: each may multiply the work of the others. */
const MAX_COMPREHENSIONS = 3;
const COMPREHENSIONS: ReadonlySet<string> = new Set(['map', 'filter', 'all', 'exists', 'exists_one']);

/** A reference to a name of a root, such as `params.epochs` or `stages["train"].outputs`. */
export interface Reference {
  readonly root: string;
  /** The name after the root; `undefined` when it is computed. */
  readonly name: string | undefined;
}

export interface CompiledExpression {
  readonly references: readonly Reference[];
  /** Texts that a status is compared with. */
  readonly statuses: readonly string[];
  /**
   * The value as JSON. Throws the library's error when it cannot be computed, `TooMuchWork` when that takes too
   * many steps, and an `ExpressionProblem` for a value that JSON has no form for.
   */
  evaluate(scope: Readonly<Record<string, unknown>>): JsonValue;
}

/** Compiles a CEL expression. Throws an `ExpressionProblem` that says what is wrong with it. */
export function compileExpression(source: string): CompiledExpression {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  let parsed: ParseResult;
  try {
    parsed = environment.parse(source);
  } catch (error) {
    throw new ExpressionProblem(problemOf(error));
  }
  const statuses: string[] = [];
  const references = collectReferences(parsed.ast, statuses);
  const result: CompiledExpression = {
    references,
    statuses,
    evaluate: (scope) => withStepLimit(() => fromCel(parsed(scope))),
  };
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  compiled.set(source, result);
  return result;
}

/** Stages of a wide pipeline share their expressions; parsing is the costly part. */
const compiled = new Map<string, CompiledExpression>();
const MAX_COMPILED = 1000;

export class ExpressionProblem extends Error {
  override readonly name = 'ExpressionProblem';
}

/** The short reason of an error of the library, without its source excerpt. */
export function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const summary = (error as { summary?: unknown }).summary;
  return typeof summary === 'string' && summary !== '' ? summary : error.message.split('\n', 1)[0]!;
}

/** JSON as CEL sees it: whole numbers are `int`, others `double`. */
export function toCel(value: JsonValue, wholeNumbersAre: 'int' | 'double' = 'int'): unknown {
  if (typeof value === 'number') {
    return wholeNumbersAre === 'int' && Number.isSafeInteger(value) ? BigInt(value) : value;
  }
  if (typeof value !== 'object' || value === null) return value;
  let seen = asCelSees.get(value);
  if (seen === undefined) {
    seen = Array.isArray(value)
      ? value.map((item) => toCel(item))
      : celMapping(Object.entries(value).map(([key, inner]) => [key, toCel(inner)] as const));
    asCelSees.set(value, seen);
  }
  return seen;
}

/** Every item of a foreach names the same outputs, which never change: they are turned into CEL's form once. */
const asCelSees = new WeakMap<object, unknown>();

/** The library tells mappings by their constructor, so one with a key of that name has to be a Map. */
export function celMapping(entries: readonly (readonly [string, unknown])[]): unknown {
  return entries.some(([key]) => key === 'constructor') ? new Map(entries) : Object.fromEntries(entries);
}

/** A CEL value as JSON: a list that is named a thousand times becomes a thousand lists, which takes its steps. */
function fromCel(value: unknown): JsonValue {
  takeSteps(1);
  if (typeof value === 'bigint') {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw new ExpressionProblem(`the result ${value} is too large for a JSON number`);
  }
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value;
    throw new ExpressionProblem(`the result ${value} is not a number that JSON can hold`);
  }
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(fromCel);
  if (value instanceof Map) return fromEntries([...value.entries()]);
  if (typeof value === 'object' && isPlain(value)) return fromEntries(Object.entries(value));
  throw new ExpressionProblem('the result is not text, a number, true, false, null, a list or a map');
}

function fromEntries(entries: readonly (readonly [unknown, unknown])[]): JsonValue {
  return Object.fromEntries(entries.map(([key, value]) => [String(key), fromCel(value)]));
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const environment = celEnvironment();
countSteps(environment);

/** What expressions are written in. To check types, `params` may have the types of some that are named. */
export function celEnvironment(params?: Readonly<Record<string, string>>): Environment {
  const result = new Environment({
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 300, maxDepth: 50, maxListElements: 100, maxMapEntries: 100 },
  });
  for (const root of [...EXPRESSION_ROOTS, ...TEMPLATE_ROOTS]) {
    if (root === 'params' && params !== undefined) result.registerVariable({ name: root, schema: params });
    else result.registerVariable(root, 'map');
  }
  // A param written as 1 is an int and as 1.5 a double; people expect arithmetic to work for both.
  for (const [left, right] of [
    ['int', 'double'],
    ['double', 'int'],
  ]) {
    result.registerOperator(`${left} + ${right}`, (a: unknown, b: unknown) => Number(a) + Number(b));
    result.registerOperator(`${left} - ${right}`, (a: unknown, b: unknown) => Number(a) - Number(b));
    result.registerOperator(`${left} * ${right}`, (a: unknown, b: unknown) => Number(a) * Number(b));
    result.registerOperator(`${left} / ${right}`, (a: unknown, b: unknown) => Number(a) / Number(b));
  }
  return result;
}

function collectReferences(ast: ASTNode, statuses: string[]): Reference[] {
  const references: Reference[] = [];
  let comprehensions = 0;
  const visit = (node: ASTNode, bound: ReadonlySet<string>): void => {
    if (node.op === '.' || node.op === '[]') {
      const [object, member] = node.args;
      if (object.op === 'id' && !bound.has(object.args)) {
        references.push({ root: object.args, name: memberName(member) });
        if (typeof member !== 'string') visit(member, bound);
        return;
      }
    }
    if (node.op === 'id') {
      if (!bound.has(node.args)) references.push({ root: node.args, name: undefined });
      return;
    }
    if (node.op === 'rcall') {
      const [method, , args] = node.args;
      refuseRegularExpressions(method);
      const variable = args[0];
      if (COMPREHENSIONS.has(method) && variable?.op === 'id') {
        comprehensions += 1;
        if (comprehensions > MAX_COMPREHENSIONS) {
          throw new ExpressionProblem(`more than ${MAX_COMPREHENSIONS} of map, filter, all and exists`);
        }
        visit(node.args[1], bound);
        const inner = new Set([...bound, variable.args]);
        for (const arg of args.slice(1)) visit(arg, inner);
        return;
      }
    }
    weighOperands(node);
    statuses.push(...comparedStatuses(node));
    if (node.op === 'call') refuseRegularExpressions(node.args[0]);
    if (node.op === 'map') refusePrototypeKeys(node.args);
    for (const inner of nodesIn(node.args)) visit(inner, bound);
  };
  visit(ast, new Set());
  return references;
}

/** JavaScript's regular expressions can take exponential time, and this runs inside the server. */
function refuseRegularExpressions(method: string): void {
  if (method !== 'matches') return;
  throw new ExpressionProblem('"matches" is not available; use contains, startsWith or endsWith');
}

/** The library leaves them out without a word. */
function refusePrototypeKeys(entries: readonly (readonly [ASTNode, ASTNode])[]): void {
  for (const [{ op, args }] of entries) {
    if (op !== 'value' || !['__proto__', 'constructor', 'prototype'].includes(String(args))) continue;
    throw new ExpressionProblem(`a map in an expression cannot have the key "${args}"; use another name`);
  }
}

function memberName(member: ASTNode | string): string | undefined {
  if (typeof member === 'string') return member;
  return member.op === 'value' && typeof member.args === 'string' ? member.args : undefined;
}

function nodesIn(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(nodesIn);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}
