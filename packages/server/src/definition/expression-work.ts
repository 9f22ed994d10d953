import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Expressions run inside the server, whose event loop everything else waits for, so what they may do is counted. A
 * step is a part of an expression that is computed once (a name, an operator, a call), an entry of a list or a
 * mapping that is compared, searched, joined or made, or a stretch of text; a million of them take a tenth to a
 * fifth of a second.
 */
export const EXPRESSION_LIMITS = {
  /** Steps of one expression. */
  steps: 2_000_000,
  /** Steps of all expressions of one decision, such as the one that starts the items of a foreach. */
  decisionSteps: 3_000_000,
  /** Of each expression of a decision these many count for nothing: their number is limited by that of the stages. */
  freeSteps: 1000,
} as const;

/** Characters of a text that are compared or copied in one step. */
const CHARACTERS_PER_STEP = 64;
/** Pairs of characters that the search for a text in another may have to look at, in one step. */
const PAIRS_PER_STEP = 1000;

/** Thrown when an expression has taken as many steps as it may; not an error that CEL could take for a value. */
export class TooMuchWork extends Error {
  override readonly name = 'TooMuchWork';
}

/** Steps after which a tick lets the other work of the server have a turn. */
const STEPS_PER_TURN = 1_000_000;

let sinceTurn = 0;
let left = Number.POSITIVE_INFINITY;
let decisionLeft: number | undefined;
let computed = new WeakMap<object, Map<number, () => unknown>>();

/** Computes one expression, with a limit on its steps. @throws TooMuchWork */
export function withStepLimit<T>(compute: () => T): T {
  const steps = Math.min(EXPRESSION_LIMITS.steps, (decisionLeft ?? Infinity) + EXPRESSION_LIMITS.freeSteps);
  const before = left;
  left = steps;
  try {
    return compute();
  } finally {
    const taken = steps - left;
    sinceTurn += taken;
    // What ends an expression may take more than was left: the free steps of the others stay theirs.
    if (decisionLeft !== undefined)
      decisionLeft = Math.max(0, decisionLeft - Math.max(0, taken - EXPRESSION_LIMITS.freeSteps));
    left = before;
  }
}

/** Makes a decision whose expressions share a limit. One within another counts as part of it. */
export function asOneDecision<T>(decide: () => T): T {
  if (decisionLeft !== undefined) return decide();
  decisionLeft = EXPRESSION_LIMITS.decisionSteps;
  try {
    return decide();
  } finally {
    decisionLeft = undefined;
    computed = new WeakMap();
  }
}

/** What many expressions of one decision need is computed for the first of them, also if that fails. */
export function onceADecision<T>(of: object, at: number, compute: () => T): T {
  if (decisionLeft === undefined) return compute();
  const known = computed.get(of) ?? new Map<number, () => unknown>();
  computed.set(of, known);
  let result = known.get(at);
  if (result === undefined) {
    try {
      const value = compute();
      result = () => value;
    } catch (error) {
      result = () => {
        throw error;
      };
    }
    known.set(at, result);
  }
  return result() as T;
}

/** Between two decisions: lets the rest of the server have a turn when expressions have kept it waiting. */
export async function giveTurn(): Promise<void> {
  if (sinceTurn < STEPS_PER_TURN) return;
  sinceTurn = 0;
  await nextTurn();
}

/** @throws TooMuchWork */
export function takeSteps(steps: number): void {
  left -= steps;
  if (left < 0) throw new TooMuchWork(whichLimit());
}

/** How much of a value an operation may have to look at: `deep` for all of it, `shallow` for its own entries. */
export function takeStepsFor(value: unknown, how: 'deep' | 'shallow'): void {
  if (typeof value === 'string') {
    takeSteps(value.length / CHARACTERS_PER_STEP);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const inner = entriesOf(value);
  takeSteps(inner.length);
  if (how === 'deep') for (const each of inner) takeStepsFor(each, how);
}

/** For the search of one text in another, which in the worst case compares each place with each character. */
export function takeStepsForSearch(text: string, wanted: string): void {
  takeSteps((text.length * Math.max(1, wanted.length)) / PAIRS_PER_STEP);
}

function entriesOf(value: object): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value instanceof Map ? [...value.values()] : Object.values(value);
}

function whichLimit(): string {
  const { steps, decisionSteps } = EXPRESSION_LIMITS;
  if (decisionLeft !== undefined && decisionLeft < steps - EXPRESSION_LIMITS.freeSteps) {
    return `the expressions of the stages that start together take more than ${decisionSteps} steps; compute the value once, in a job that writes it as an output`;
  }
  return `it takes more than ${steps} steps, the most that one expression may; go through shorter lists, or compute the value in a job that writes it as an output`;
}
