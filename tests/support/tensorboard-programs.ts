import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  Pipeline,
  type PipelineOptions,
  type TensorboardTracker,
  tensorboardTracker,
} from '@trainyard/training';

export type ProgramName = 'steps' | 'params' | 'failed' | 'media' | 'first' | 'second';
type Language = 'TypeScript' | 'Python';

interface TrackedFiles {
  /** The run's directory. */
  readonly directory: string;
  /** A PNG for those that track pictures. */
  readonly png: string;
}

/** Carries a program out that records itself for TensorBoard. */
export async function track(language: Language, name: ProgramName, files: TrackedFiles): Promise<void> {
  if (language === 'Python') return trackPython(name, files);
  const tracker = tensorboardTracker({ directory: files.directory });
  const params = name === 'params' || name === 'failed' ? PARAMS : {};
  const options = { params, metrics: { f1: { goal: 'max' } }, trackers: [tracker] } as const;
  const body = (p: TrackedProgram) => BODIES[name](p, tracker, files.png);
  await new TrackedProgram(body, { ...options, handleSignals: false }).run().catch(() => {});
}

function trackPython(name: ProgramName, { directory, png }: TrackedFiles): void {
  const script = join(import.meta.dirname, 'track_tensorboard.py');
  const path = resolve(import.meta.dirname, '../../python');
  const env = { ...process.env, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: '1' };
  execFileSync('python3', [script, name, directory, png], { env, stdio: 'inherit' });
}

const PARAMS = { lr: 0.1, optimizer: { name: 'adam' }, nesterov: false };

type Body = (program: TrackedProgram, tracker: TensorboardTracker, png: string) => unknown;

const BODIES: Readonly<Record<ProgramName, Body>> = {
  steps: (p) =>
    p.epoch(3, async () => {
      await p.batch(41, () => p.batchMetrics.set('train_loss', 0.5));
      p.epochMetrics.set('train_loss', 0.25);
      p.epochMetrics.set('val_loss', Number.NaN);
      p.epochMetrics.set('f1', { cat: 1, dog: 0 });
      p.epochMetrics.set('confusion', [
        [3, 1],
        [0, 4],
      ]);
      p.track('learning_rate', 0.5, { step: 137 });
      p.track('learning_rate', Number.POSITIVE_INFINITY, { step: 2 ** 40 });
    }),
  params: (p) => p.logParams({ seed: 7 }),
  failed: () => Promise.reject(new Error('broken')),
  media: (_, tracker, png) => {
    tracker.histogram('weights', new Float32Array([0, 0.5, 0.5, 3]), 5);
    tracker.histogram('nothing', [Number.NaN], 5);
    tracker.text('note', '**bold** ünd', 6);
    tracker.image('samples', readFileSync(png), 7);
  },
  first: (p) => p.epoch(0, () => p.epochMetrics.set('train_loss', 1)),
  second: (p) => p.epoch(1, () => p.epochMetrics.set('train_loss', 0.5)),
};

class TrackedProgram extends Pipeline<Record<string, unknown>, 'f1'> {
  readonly #body: (program: TrackedProgram) => unknown;

  constructor(
    body: (program: TrackedProgram) => unknown,
    options: PipelineOptions<Record<string, unknown>, 'f1'>,
  ) {
    super(options);
    this.#body = body;
  }

  protected override train(): unknown {
    return this.#body(this);
  }
  override epoch(index: number, body: () => unknown) {
    return super.epoch(index, body);
  }
  override batch(index: number, body: () => unknown) {
    return super.batch(index, body);
  }
  override track(name: 'learning_rate', value: number, options: { readonly step: number }) {
    super.track(name, value, options);
  }
  override logParams(params: Readonly<Record<string, unknown>>) {
    super.logParams(params);
  }
}
