import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import { TooMuchWork, takeSteps, takeStepsFor, takeStepsForSearch } from './expression-work.ts';

/** What the library computes with; macros of its users get it, so its `run` is where every node passes. */
interface Evaluator {
  run(node: EvaluatedNode, context: unknown): unknown;
  tryEval(node: EvaluatedNode, context: unknown): unknown;
}

interface EvaluatedNode {
  evaluate(evaluator: Evaluator, node: EvaluatedNode, context: unknown): unknown;
}

/** How the value of a node is looked at by the operation that it is an operand of. */
type Weighing = 'deep' | 'shallow' | 'size' | 'members' | { readonly search: { wanted: string } } | Wanted;
interface Wanted {
  readonly wanted: { wanted: string };
}

const weighings = new WeakMap<object, Weighing>();

const SEARCHES: ReadonlySet<string> = new Set(['contains', 'indexOf', 'lastIndexOf', 'split']);

/** Has every step of the expressions of an environment counted (see `takeSteps`). */
export function countSteps(environment: Environment): void {
  const evaluator = evaluatorOf(environment);
  evaluator.run = (node, context) => {
    takeSteps(1);
    const value = node.evaluate(evaluator, node, context);
    const weighing = weighings.get(node);
    if (weighing !== undefined) weigh(value, weighing);
    return value;
  };
  evaluator.tryEval = (node, context) => {
    try {
      return evaluator.run(node, context);
    } catch (error) {
      // What cannot be computed may not matter (`true || 1/0 == 0`); the end of the steps always does.
      if (error instanceof TooMuchWork) throw error;
      return error;
    }
  };
}

/** The library does not hand its evaluator out, but gives it to every node that it evaluates. */
function evaluatorOf(environment: Environment): Evaluator {
  let found: Evaluator | undefined;
  const probe = environment.parse('true');
  const node: EvaluatedNode = {
    evaluate: (evaluator) => {
      found = evaluator;
      return true;
    },
  };
  Object.assign(probe.ast, node);
  probe();
  if (found === undefined) throw new Error('the CEL library does not evaluate as it did');
  return found;
}

/** Notes which operands a node looks into: what it does with them takes the longer the larger they are. */
export function weighOperands(node: ASTNode): void {
  switch (node.op) {
    case '==':
    case '!=':
      for (const operand of node.args) weighings.set(operand, 'deep');
      return;
    case 'in':
      weighings.set(node.args[0], 'deep');
      weighings.set(node.args[1], 'members');
      return;
    case '+':
    case '<':
    case '<=':
    case '>':
    case '>=':
      for (const operand of node.args) weighings.set(operand, 'shallow');
      return;
    case 'call':
      for (const argument of node.args[1]) weighings.set(argument, howOf(node.args[0]));
      return;
    case 'rcall':
      weighCall(node.args);
      return;
    default:
  }
}

function weighCall([method, receiver, args]: readonly [string, ASTNode, readonly ASTNode[]]): void {
  const [first, ...others] = args;
  for (const each of others) weighings.set(each, howOf(method));
  if (first === undefined || !SEARCHES.has(method)) {
    for (const each of [receiver, ...args]) weighings.set(each, howOf(method));
    return;
  }
  // Operands are computed from the last to the first, so the receiver comes when the rest is known.
  const search = { wanted: '' };
  weighings.set(first, { wanted: search });
  weighings.set(receiver, { search });
}

function howOf(method: string): Weighing {
  return method === 'size' ? 'size' : 'deep';
}

function weigh(value: unknown, how: Weighing): void {
  if (typeof how === 'object') {
    if (typeof value !== 'string') return;
    if ('wanted' in how) how.wanted.wanted = value;
    else takeStepsForSearch(value, how.search.wanted);
    return;
  }
  switch (how) {
    case 'size':
      if (!Array.isArray(value)) takeStepsFor(value, 'shallow');
      return;
    case 'members':
      // A name is looked up in a mapping, an entry searched in a list.
      if (Array.isArray(value)) takeStepsFor(value, 'deep');
      return;
    default:
      takeStepsFor(value, how);
  }
}
