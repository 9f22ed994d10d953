import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StepControl } from './step-control.ts';

/** The same training as train.py: a line, fitted by gradient descent with momentum, that can be paused. */
interface State {
  weights: [number, number];
  velocity: [number, number];
  step: number;
}

const STEPS = Number(process.env['STEPS'] ?? 400);
const STEP_MS = Number(process.env['STEP_SECONDS'] ?? 0.01) * 1000;
const CHECKPOINT = 'checkpoint.json';
const POINTS = Array.from({ length: 64 }, (_, at) => [at / 64, (3 * at) / 64 - 1] as const);

function load(): State {
  appendFileSync('model-loads', 'loaded\n');
  const path = process.env['TRAINYARD_RESUME_FROM'];
  if (path === undefined) return { weights: [0, 0], velocity: [0, 0], step: 0 };
  return JSON.parse(readFileSync(path, 'utf8')) as State;
}

/** Beside the old one first, so that a kill in the middle leaves that intact. */
function save(state: State): string {
  writeFileSync(`${CHECKPOINT}.tmp`, JSON.stringify(state));
  renameSync(`${CHECKPOINT}.tmp`, CHECKPOINT);
  return CHECKPOINT;
}

function trainStep(state: State): number {
  const [slope, offset] = state.weights;
  const errors = POINTS.map(([x, y]) => [x, slope * x + offset - y] as const);
  const mean = (of: (x: number, error: number) => number) =>
    errors.reduce((sum, [x, error]) => sum + of(x, error), 0) / errors.length;
  const gradient = [mean((x, error) => 2 * error * x), mean((_, error) => 2 * error)] as const;
  for (const at of [0, 1] as const) {
    state.velocity[at] = 0.9 * state.velocity[at] - 0.02 * gradient[at];
    state.weights[at] += state.velocity[at];
  }
  state.step += 1;
  return mean((_, error) => error * error);
}

const state = load();
const control = new StepControl();
const dir = process.env['PLATFORM_METRICS_DIR'] ?? 'platform_metrics';
mkdirSync(dir, { recursive: true });
const metrics = join(dir, `${process.env['TRAINYARD_RUN_ID'] ?? 'local'}_metrics.jsonl`);
while (state.step < STEPS) {
  await control.atStep(state.step, () => (state.step > 0 ? save(state) : undefined));
  const loss = trainStep(state);
  appendFileSync(metrics, `${JSON.stringify({ step: state.step, loss })}\n`);
  await delay(STEP_MS);
}
console.log(`done at step ${state.step}`);
