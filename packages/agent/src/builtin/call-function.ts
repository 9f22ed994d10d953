import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format, inspect } from 'node:util';
import type { JsonValue, StageFunctionContext } from '@trainyard/protocol';
import { type BuiltinAttempt, BuiltinFailure, messageOf } from './attempt.ts';

interface Call {
  /** Absolute. */
  readonly module: string;
  readonly export: string;
  readonly args: JsonValue;
}

type StageFunction = (args: JsonValue, context: StageFunctionContext) => unknown;

/** The program of a `function` stage: calls a function of the user's module with arguments and a context. */
export async function callFunction(attempt: BuiltinAttempt): Promise<unknown> {
  const call = attempt.spec.builtin!.input as unknown as Call;
  const loose = looseFailure(call);
  const found = await Promise.race([load(call), loose]);
  // A function that only waits for the signal has nothing that keeps the process alive.
  const keepAlive = setInterval(() => undefined, KEEP_ALIVE_MS);
  try {
    return await Promise.race([found(call.args, contextOf(attempt)), loose]);
  } catch (error) {
    if (error instanceof LooseFailure) {
      attempt.log(stackOf(error.cause));
      throw new BuiltinFailure('function_failed', error.message, { cause: error.cause });
    }
    attempt.log(stackOf(error));
    const message =
      error instanceof Error
        ? described(error)
        : `${nameOf(call)} threw ${shown(error)}, which is no Error: throw an Error, so that its stack says where`;
    throw new BuiltinFailure('function_failed', message, { cause: error });
  } finally {
    clearInterval(keepAlive);
  }
}

/** Failed beside what the function returned or threw. */
class LooseFailure extends Error {
  override readonly name = 'LooseFailure';
}

/** Rejects when something of the module fails that nobody waits for; never resolves. */
function looseFailure(call: Call): Promise<never> {
  const failure = new Promise<never>((_, reject) => {
    const fail = (what: string) => (cause: unknown) =>
      reject(new LooseFailure(`${nameOf(call)} ${what}: ${shown(cause)}`, { cause }));
    process.on('unhandledRejection', fail('left a promise that was rejected and that nobody awaited'));
    process.on('uncaughtException', fail('threw outside of what it returned, in a callback or a timer'));
  });
  // It may fail before anybody looks at it.
  failure.catch(() => undefined);
  return failure;
}

/** The function and its module as a message names them. */
function nameOf({ module, export: name }: Call): string {
  const near = relative(process.cwd(), module);
  return `the function "${name}" of ${near.startsWith('..') ? module : near}`;
}

/** A value that was thrown, on one line. */
function shown(value: unknown): string {
  if (value instanceof Error) return described(value);
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 2 }).slice(0, MAX_SHOWN);
}

const MAX_SHOWN = 500;

function stackOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? shortStack(error.stack) : shown(error);
}

const KEEP_ALIVE_MS = 1_000_000;

async function load({ module, export: name }: Call): Promise<StageFunction> {
  if (!existsSync(module)) {
    throw new BuiltinFailure(
      'function_missing',
      `there is no module ${module} on the agent's machine; "module" is relative to the pipeline file`,
    );
  }
  let loaded: Record<string, unknown>;
  try {
    loaded = await import(pathToFileURL(module).href);
  } catch (error) {
    const message = `the module ${module} cannot be loaded: ${described(error)}`;
    throw new BuiltinFailure('function_missing', message, { cause: error });
  }
  const found = loaded[name];
  if (typeof found === 'function') return found as StageFunction;
  const others = Object.keys(loaded).filter((key) => typeof loaded[key] === 'function');
  const message = `${module} exports no function "${name}"; it exports ${others.join(', ') || 'none'}`;
  throw new BuiltinFailure('function_missing', message);
}

function contextOf(attempt: BuiltinAttempt): StageFunctionContext {
  const { spec, files } = attempt;
  const ending = new AbortController();
  let isListening = false;
  process.on('SIGTERM', () => {
    ending.abort(new Error('the stage is to end'));
    // Nobody would notice: go as a program without a handler goes.
    if (!isListening) process.exit(EXIT_BY_SIGTERM);
  });
  return {
    runId: spec.runId,
    rootRunId: spec.rootId,
    stage: spec.stage,
    attempt: spec.number,
    params: spec.params as Record<string, JsonValue>,
    paths: { attemptDir: files.dir, metricsDir: files.metricsDir, workingDir: process.cwd() },
    log: (...parts) => attempt.log(parts.map(asText).join(' ')),
    metric: (step, values) =>
      attempt.append(files.metrics, { step, timestamp: Date.now() / 1000, ...numbers(values) }),
    dataset: (record) => attempt.append(files.datasets, record),
    get signal() {
      isListening = true;
      return ending.signal;
    },
  };
}

const EXIT_BY_SIGTERM = 143;

/** JSON has no word for these values; the metrics file takes them as text. */
function numbers(values: Readonly<Record<string, number>>): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Number.isFinite(value) ? value : String(value)]),
  );
}

function asText(part: unknown): string {
  if (typeof part === 'string') return part;
  return part instanceof Error ? (part.stack ?? part.message) : (JSON.stringify(part) ?? format('%o', part));
}

function described(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : messageOf(error);
}

const STACK_LINES = 8;

/** Without our own frames, which say nothing of the user's mistake. */
function shortStack(stack: string): string {
  const lines = stack
    .split('\n')
    .filter((line) => !line.includes('/builtin/') && !line.includes('node:internal'));
  return lines.slice(0, STACK_LINES).join('\n');
}
