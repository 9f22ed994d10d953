import type { Environment } from '@marcbachmann/cel-js';
import type { ParamSpec } from '@trainyard/protocol/definition';
import { celEnvironment, type Reference } from './cel.ts';

/** What is known of a param before the run; `dyn` is known only then. */
export type CelType = 'int' | 'double' | 'string' | 'bool' | 'dyn';

export const CEL_TYPES: Readonly<Record<ParamSpec['type'], CelType>> = {
  integer: 'int',
  number: 'double',
  string: 'string',
  boolean: 'bool',
  json: 'dyn',
};

interface Typed {
  /** Why it can never be computed. */
  readonly problem: string | undefined;
  /** What it gives, as CEL writes types; `dyn` where that is known only in the run. */
  readonly type: string;
}

/**
 * Judges an expression before the run by the types of the params that it names. What it says fails in every run:
 * where the rules of CEL are stricter for known types than for values (`1.5 == 1`), it says nothing.
 */
export function typeOfExpression(
  source: string,
  references: readonly Reference[],
  params: ReadonlyMap<string, CelType>,
): Typed {
  const named = namedParams(references, params);
  const key = `${named.map((each) => each.join(':')).join()} ${source}`;
  const known = typed.get(key);
  if (known !== undefined) return known;
  const result = judge(source, named);
  if (typed.size >= MAX_KEPT) typed.clear();
  typed.set(key, result);
  return result;
}

/** Stages of a wide pipeline share their expressions. */
const typed = new Map<string, Typed>();
const environments = new Map<string, Environment>();
const MAX_KEPT = 1000;

/** None when the params are spoken of as a whole, which makes a map of them. */
function namedParams(
  references: readonly Reference[],
  params: ReadonlyMap<string, CelType>,
): (readonly [string, CelType])[] {
  const names = new Set<string>();
  for (const { root, name } of references) {
    if (root !== 'params') continue;
    if (name === undefined) return [];
    names.add(name);
  }
  return [...names].sort().map((name) => [name, params.get(name) ?? 'dyn'] as const);
}

function judge(source: string, named: readonly (readonly [string, CelType])[]): Typed {
  const plain = check(environmentFor([]), source);
  // The library makes this check before it computes anything.
  if (plain.problem !== undefined || named.every(([, type]) => type === 'dyn')) return plain;
  const { problem, type } = check(environmentFor(named), source);
  if (problem === undefined) return { problem, type };
  return { problem: ALWAYS_FAILS.some((each) => each.test(problem)) ? problem : undefined, type: plain.type };
}

const SCALAR = '(int|double|string|bool)';
/** Where what is true of the types is true of all values of them. */
const ALWAYS_FAILS = [
  new RegExp(`^Cannot index type '${SCALAR}'`),
  new RegExp(`^no such overload: ${SCALAR} (\\+|-|\\*|/|%|<|<=|>|>=) ${SCALAR}$`),
  new RegExp(`^no such overload: [!-]${SCALAR}$`),
  new RegExp(`^Logical operator requires bool operands, got '${SCALAR}'`),
  new RegExp(`^[^']*must (be|return) bool, got '${SCALAR}'`),
  new RegExp(`^found no matching overload for '(${SCALAR}\\.)?\\w+\\((${SCALAR}(, )?)*\\)'`),
];

function check(environment: Environment, source: string): Typed {
  const result = environment.check(source);
  if (result.valid) return { problem: undefined, type: result.type ?? 'dyn' };
  return { problem: result.error?.summary ?? 'it has no type', type: 'dyn' };
}

function environmentFor(named: readonly (readonly [string, CelType])[]): Environment {
  const key = named.map((each) => each.join(':')).join();
  let environment = environments.get(key);
  if (environment === undefined) {
    environment = celEnvironment(named.length === 0 ? undefined : Object.fromEntries(named));
    if (environments.size >= MAX_KEPT) environments.clear();
    environments.set(key, environment);
  }
  return environment;
}
