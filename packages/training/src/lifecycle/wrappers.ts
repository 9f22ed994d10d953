import type { LevelStatus } from './level.ts';
import type { RunOutcome } from './pipeline-options.ts';
import { EpochStopped } from './signals.ts';
import { LifecycleMisuse } from './training-lifecycle.ts';
import { CARRY_OUT, WITHIN } from './training-program.ts';
import type { WrappedPipeline } from './wrapped-pipeline.ts';

/** Where a wrapped `run` leaves how it has ended. */
export const OUTCOME = Symbol('outcome');

type Wrapper = 'runWrapper' | 'epochWrapper' | 'batchWrapper';
// biome-ignore lint/complexity/noBannedTypes: any method is asked for here, whatever it takes
type Method = Function;

/** By which decorator a method was wrapped. */
const WRAPPED = new WeakMap<Method, Wrapper>();

type Part<Rest extends unknown[], Status> = (index: number, ...rest: Rest) => Promise<Status>;
type AnyPart = Part<never[], unknown>;

/** What a decorator is told of a method; of `ClassMethodDecoratorContext` no more than it needs. */
interface MethodContext {
  readonly kind: 'method';
  readonly name: string | symbol;
  readonly static: boolean;
}

/**
 * Carries `run` out as the run of its program: its start is told, what it throws fails the run, a stop does not, and
 * its end is told on every path. Its type says `undefined`, too, for a run that is stopped before it has a result.
 * @throws LifecycleMisuse when it is not put before a method `run`
 */
export function runWrapper<Result extends object | undefined>(
  run: () => Promise<Result>,
  context: MethodContext,
): () => Promise<Result | undefined> {
  const name = requireMethod('runWrapper', context);
  if (name !== 'run') {
    throw new LifecycleMisuse(`@runWrapper is put before the method run(), not before ${name}().`);
  }
  async function wrapped(this: unknown): Promise<Result | undefined> {
    requireProgram('runWrapper', 'run', this);
    const outcome = await this[CARRY_OUT](async () => asResult(this, await run.call(this)));
    this[OUTCOME] = outcome as RunOutcome<object | undefined>;
    return outcome.result;
  }
  return marked(wrapped, 'runWrapper');
}

/**
 * Carries a method out as an epoch; its first argument is the number. What it answers is the status of the epoch. One
 * that answers `stopped` itself has ended it early.
 * @throws LifecycleMisuse when it is not put before a method that takes the number
 */
export function epochWrapper<Rest extends unknown[]>(
  method: Part<Rest, LevelStatus>,
  context: MethodContext,
): Part<Rest, LevelStatus>;
export function epochWrapper<Rest extends unknown[]>(
  method: Part<Rest, void>,
  context: MethodContext,
): Part<Rest, void>;
export function epochWrapper(method: AnyPart, context: unknown): AnyPart {
  return wrapPart('epoch', method, context);
}

/** Carries a method out as a batch of the epoch that is open, as `epochWrapper` does. @throws as `epochWrapper` */
export function batchWrapper<Rest extends unknown[]>(
  method: Part<Rest, LevelStatus>,
  context: MethodContext,
): Part<Rest, LevelStatus>;
export function batchWrapper<Rest extends unknown[]>(
  method: Part<Rest, void>,
  context: MethodContext,
): Part<Rest, void>;
export function batchWrapper(method: AnyPart, context: unknown): AnyPart {
  return wrapPart('batch', method, context);
}

export function isWrappedRun(method: Method): boolean {
  return WRAPPED.get(method) === 'runWrapper';
}

/** @throws LifecycleMisuse when epochs or batches of the program would not be recorded */
export function requireWrapped(program: object): void {
  for (const [name, wrapper] of PARTS) {
    const method = (program as Record<string, unknown>)[name];
    if (typeof method !== 'function' || WRAPPED.get(method) === wrapper) continue;
    throw new LifecycleMisuse(
      `${program.constructor.name}.${name}() would not be recorded; put @${wrapper} before it, or give it another name.`,
    );
  }
}

const PARTS = [
  ['runEpoch', 'epochWrapper'],
  ['runBatch', 'batchWrapper'],
] as const;

function wrapPart(kind: 'epoch' | 'batch', method: AnyPart, context: unknown): AnyPart {
  const wrapper = `${kind}Wrapper` as const;
  const name = requireMethod(wrapper, context);
  if (method.length === 0) {
    throw new LifecycleMisuse(`${name}() takes no number of the ${kind}; give it one as first argument.`);
  }
  async function wrapped(this: unknown, index: number, ...rest: never[]): Promise<LevelStatus> {
    requireProgram(wrapper, name, this);
    if (!Number.isSafeInteger(index)) {
      throw new LifecycleMisuse(
        `The first argument of ${name}() is the number of the ${kind}, not ${String(index)}.`,
      );
    }
    return this[WITHIN](kind, index, async () =>
      endAs(name, await method.call(this as never, index, ...rest)),
    );
  }
  return marked(wrapped, wrapper);
}

/** Lets a level end as its method says. */
function endAs(name: string, status: unknown): void {
  if (status === undefined || status === 'completed') return;
  if (status === 'stopped') throw new EpochStopped(`${name}() said so`);
  throw new LifecycleMisuse(
    `${name}() has answered ${JSON.stringify(status)}; it answers "completed", "stopped" or nothing, and throws when it fails.`,
  );
}

/** @throws LifecycleMisuse when it is neither an object nor nothing */
function asResult<Result>(program: object, result: Result): Result {
  if (result === undefined || (typeof result === 'object' && result !== null)) return result;
  throw new LifecycleMisuse(
    `${program.constructor.name}.run() has answered ${JSON.stringify(result)}; it answers an object, or nothing.`,
  );
}

/** The name of the method that it is put before. */
function requireMethod(wrapper: Wrapper, context: unknown): string {
  // The decorators of before the standard are called with a name and a descriptor.
  if (typeof context !== 'object' || context === null) {
    throw new LifecycleMisuse(
      `@${wrapper} is a decorator of the standard: switch "experimentalDecorators" off in tsconfig.json.`,
    );
  }
  const { kind, name, static: isStatic } = context as ClassMemberDecoratorContext;
  if (kind === 'method' && !isStatic) return String(name);
  const what = isStatic ? `static ${kind}` : kind;
  throw new LifecycleMisuse(`@${wrapper} is put before a method, not before the ${what} ${String(name)}.`);
}

function requireProgram(
  wrapper: Wrapper,
  name: string,
  program: unknown,
): asserts program is WrappedPipeline {
  if (typeof program === 'object' && program !== null && OUTCOME in program) return;
  throw new LifecycleMisuse(`${name}() has @${wrapper}, but is not called on a WrappedPipeline.`);
}

function marked<T extends Method>(method: T, wrapper: Wrapper): T {
  WRAPPED.set(method, wrapper);
  return method;
}
