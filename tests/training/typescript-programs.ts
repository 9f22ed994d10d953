import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Callback,
  consoleTracker,
  EarlyStopping,
  EpochStopped,
  filesTracker,
  LearningRateMonitor,
  MetricsCsv,
  ProgressBar,
  RunCancelled,
  RunStopped,
  SeededBatches,
} from '../../packages/training/src/index.ts';
import type { MetricInput } from '../../packages/training/src/metrics/metric-value.ts';
import { Program as Training } from '../../packages/training/src/testing/program.ts';
import { recorder } from '../../packages/training/src/testing/recorder.ts';
import type { Program, ScriptedCallback, Step, Told, Value, Written } from './behaviour-case.ts';
import { modelCheckpoint, readKept, resumedFrom } from './checkpoint-programs.ts';

/** Carries a program out with the classes of `@trainyard/training`. */
export async function tellTypeScript(program: Program): Promise<Told> {
  const directory = mkdtempSync(join(tmpdir(), 'trainyard-behaviour-'));
  try {
    return await tellIn(directory, program);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function tellIn(dir: string, program: Program): Promise<Told> {
  const { before, writes = false, checkpoints } = program;
  if (before !== undefined) await tellIn(dir, before);
  const { calls, tracker, callback } = recorder();
  const warnings: string[] = [];
  const lines: string[] = [];
  const shown: string[] = [];
  const controller = new AbortController();
  const writers = writes ? [filesTracker({ directory: dir, job: 'run' }), consoleLines(lines)] : [];
  const training = new Training((p) => carryOut(p, program.steps, { calls, controller }), {
    params: program.params ?? {},
    metrics: program.metrics ?? {},
    trackers: [tracker, ...writers],
    callbacks: [
      callback,
      ...(program.callbacks ?? []).map((each) => toCallback(each, shown)),
      ...(writes ? [new MetricsCsv(join(dir, 'metrics.log'))] : []),
      ...(checkpoints === undefined ? [] : [modelCheckpoint(dir, checkpoints)]),
    ],
    resumeFrom: await resumedFrom(dir, program),
    recordBatchesEvery: program.recordBatchesEvery ?? 1,
    env: {},
    warn: (message) => warnings.push(message.replaceAll(dir, 'DIR')),
    signal: controller.signal,
  });
  const outcome = await training.run().then(
    ({ status, result, reason }) => ({ status, result: result ?? null, reason: reason ?? null }),
    (error: unknown) => ({ error: String(error) }),
  );
  return {
    ...{ calls, warnings, outcome: withoutPath(outcome, dir) },
    ...(writes && { written: readWritten(dir, lines) }),
    ...(checkpoints !== undefined && { kept: await readKept(dir) }),
    ...(shown.length > 0 && { shown: shownLines(shown) }),
  };
}

function withoutPath(outcome: Told['outcome'], dir: string): Told['outcome'] {
  return 'error' in outcome ? { error: outcome.error.replaceAll(dir, 'DIR') } : outcome;
}

function toCallback(each: NonNullable<Program['callbacks']>[number], shown: string[]): Callback {
  if ('earlyStopping' in each) return new EarlyStopping(each.earlyStopping);
  if ('learningRateMonitor' in each) {
    let rate = 2;
    const every = each.learningRateMonitor.every as 'epoch' | undefined;
    return new LearningRateMonitor({ rate: () => (rate /= 2), ...(every !== undefined && { every }) });
  }
  if ('progressBar' in each) {
    const stream = { isTTY: true, columns: 80, write: (text: string) => shown.push(text) };
    return new ProgressBar({ ...each.progressBar, stream });
  }
  return scripted(each);
}

/** What stays on the terminal. */
function shownLines(shown: readonly string[]): string[] {
  const lines = shown.join('').trimEnd().split('\n');
  return lines.map((line) =>
    line
      .split('\r\x1b[2K')
      .at(-1)!
      .replace(/\d+\.\d s/, 'T s'),
  );
}

interface Surroundings {
  readonly calls: string[];
  readonly controller: AbortController;
}

async function carryOut(training: Training, steps: readonly Step[], around: Surroundings): Promise<unknown> {
  for (const step of steps) {
    if (step.do === 'return') return step.value;
    await carryOutStep(training, step, around);
  }
  return undefined;
}

async function carryOutStep(training: Training, step: Step, around: Surroundings): Promise<void> {
  const inside = (steps: readonly Step[]) => async () => void (await carryOut(training, steps, around));
  switch (step.do) {
    case 'epoch':
      return void (await training.epoch(step.n, inside(step.steps)));
    case 'batch':
      return void (await training.batch(
        step.n,
        inside(step.steps),
        step.step === undefined ? {} : { step: step.step },
      ));
    case 'eachEpoch':
      return training.eachEpoch(step.count, (n) => {
        around.calls.push(`epoch ${n}`);
        return inside(step.steps)();
      });
    case 'eachBatch':
      return eachBatch(training, step);
    case 'add':
      return training[`${step.of}Metrics`].add(
        step.name,
        toValue(step.value),
        step.weight === undefined ? {} : { weight: step.weight },
      );
    case 'beginEpoch':
      return void (await training.beginEpoch(step.n));
    case 'endEpoch':
      return training.endEpoch();
    case 'set':
      return training[`${step.of}Metrics`].set(step.name, toValue(step.value));
    case 'track':
      return training.track(
        step.name,
        toValue(step.value),
        step.step === undefined ? {} : { step: step.step },
      );
    case 'logParams':
      return training.logParams(step.params);
    case 'stop':
      return training.stop(step.reason);
    case 'stopEpoch':
      return training.stopEpoch(step.reason);
    case 'throw':
      throw new TypeError(step.message);
    case 'attempt':
      return attempt(inside(step.steps), around);
    case 'cancelled':
      around.controller.abort(new Error('the program got SIGTERM'));
      return new Promise(() => {});
    case 'return':
      return undefined;
  }
}

async function eachBatch(training: Training, { failsAt }: Extract<Step, { do: 'eachBatch' }>): Promise<void> {
  const source = new SeededBatches({ size: 10, batchSize: 4, seed: 1 });
  let epoch = 0;
  const batchesOf = (n: number, first: number) => {
    epoch = n;
    return source.batchesOf(n, first);
  };
  await training.eachBatch({ length: source.length, batchesOf }, (items, index) => {
    if (failsAt?.epoch === epoch && failsAt.batch === index) throw new TypeError('killed');
    const number = items.reduce((sum, item) => sum * 10 + item, 0);
    training.batchMetrics.set('train_loss', number);
    training.epochMetrics.add('val_loss', number, { weight: items.length });
  });
}

async function attempt(body: () => Promise<void>, { calls }: Surroundings): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (error instanceof RunStopped || error instanceof EpochStopped || error instanceof RunCancelled)
      throw error;
    calls.push(`caught ${String(error)}`);
  }
}

function toValue(value: Value): MetricInput {
  if (Array.isArray(value)) return value.map(toValue) as MetricInput;
  if (typeof value !== 'object' || value === null) return value as unknown as MetricInput;
  if ('number' in value) return Number(value.number);
  if ('tensor' in value) return { [value.tensor]: () => toValue(value.value) } as MetricInput;
  const { labels } = value as { readonly labels: Readonly<Record<string, Value>> };
  return Object.fromEntries(
    Object.entries(labels).map(([label, part]) => [label, toValue(part)]),
  ) as MetricInput;
}

function scripted({ name, isLast = false, on, n, does }: ScriptedCallback): Callback {
  const hook: NonNullable<Callback['onEpochEnd']> = ({ level, stop, stopEpoch }) => {
    if (n !== undefined && n !== level.index) return undefined;
    if (does === 'throws') throw new TypeError(`thrown by ${name}`);
    if (does === 'stops') stop(`${name} has had enough`);
    if (does === 'stops the epoch') stopEpoch(`${name} has had enough`);
    return does !== 'answers false';
  };
  return { name, isLast, [on]: hook };
}

function consoleLines(lines: string[]) {
  return consoleTracker((line) => lines.push(line.replace(/ after [\d.]+ s$/, '')));
}

function readWritten(dir: string, lines: readonly string[]): Written {
  const text = readFileSync(join(dir, 'run_metrics.jsonl'), 'utf8');
  const metrics = text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { timestamp, ...rest } = JSON.parse(line) as { timestamp: unknown };
      if (typeof timestamp !== 'number') throw new Error(`a line without its time: ${line}`);
      return rest;
    });
  const status: unknown = JSON.parse(readFileSync(join(dir, 'run_status.json'), 'utf8'));
  return { metrics, status, csv: readFileSync(join(dir, 'metrics.log'), 'utf8'), console: lines };
}
