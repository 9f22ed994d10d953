import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'digits-programs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const NODE = process.execPath;
const hasPython = spawnSync('python3', ['--version']).status === 0;
const TRAINERS = [
  ['TypeScript', [NODE, 'train.ts'], false],
  ['Python', ['python3', 'train.py'], !hasPython],
] as const;

let nextAttempt = 1;
let dataset = '';

beforeAll(async () => {
  const preprocess = await attempt([NODE, 'preprocess.ts'], {});
  expect(preprocess.exitCode, preprocess.log()).toBe(0);
  dataset = String(preprocess.outputs()['dataset']);
});

describe('preprocess', () => {
  it('records the dataset version that it outputs', async () => {
    const run = await attempt([NODE, 'preprocess.ts'], { samples: 500, imageSize: 14, epochs: 'ignored' });
    const outputs = run.outputs();
    expect(outputs).toMatchObject({ rows: 500, imageSize: 14, test: 100 });
    expect(run.lines('datasets.jsonl')).toEqual([
      { name: 'digits', path: outputs['dataset'], role: 'output', rows: 500 },
    ]);
    expect(run.lines('digits.jsonl')).toHaveLength(500);
  });

  it.each([
    [{ samples: 5 }, 'parameter samples is 5; expected a whole number from 100 to 10000'],
    [{ imageSize: '28' }, 'parameter imageSize is "28"; expected one of 14, 28'],
    [{ testFraction: 0.9, validationFraction: 0.5 }, 'add up to 1 or more'],
  ])('refuses %j without a stack trace', async (params, message) => {
    const run = await attempt([NODE, 'preprocess.ts'], params);
    expect(run.exitCode).toBe(1);
    expect(run.log()).toContain(message);
    expect(run.log()).not.toContain('    at ');
  });
});

describe.each(TRAINERS)('training in %s', (_language, command, isMissing) => {
  const quick = { epochs: 1, hidden: 24, learningRate: 0.08, maxShift: 0 };

  it.skipIf(isMissing)('learns within one epoch, reports every ten steps, keeps its checkpoint', async () => {
    const run = await attempt(command, { ...quick, dataset });
    expect(run.exitCode, run.log()).toBe(0);
    const outputs = run.outputs();
    expect(outputs['accuracy']).toBeGreaterThan(0.85);
    expect(outputs['checkpoints']).toEqual([
      { path: outputs['checkpoint'], epoch: 0, accuracy: outputs['accuracy'], loss: outputs['loss'] },
    ]);
    expect(run.lines('datasets.jsonl')).toEqual([
      { name: 'digits', path: dataset, role: 'input', rows: 10_000 },
    ]);
    expect(run.log()).toMatch(/epoch 1\/1 {2}loss 0\.\d{4} {2}validation accuracy 0\.\d{4}/);

    const lines = run.metrics();
    expect(lines.map((line) => line['step'])).toEqual([...Array.from({ length: 23 }, (_, i) => i * 10), 224]);
    for (const line of lines) expectMetricShape(line, line === lines.at(-1));
    expect(lines.at(-1)?.['evaluation']).toEqual({ accuracy: outputs['accuracy'], loss: outputs['loss'] });
    expect(run.status()).toEqual({
      job_id: run.id,
      status: 'completed',
      current_step: 224,
      total_steps: 225,
      anomaly_detected: false,
      anomaly_reason: null,
      latest_metrics: lines.at(-1),
    });

    const evaluation = await attempt([NODE, 'evaluate.ts'], { dataset, checkpoint: outputs['checkpoint'] });
    expect(evaluation.exitCode, evaluation.log()).toBe(0);
    expect(evaluation.outputs()).toMatchObject({ checkpoint: outputs['checkpoint'], rows: 2000 });
    expect(evaluation.outputs()['accuracy']).toBeGreaterThan(0.85);
    expectMetricShape({ ...evaluation.metrics()[0] }, true, ['test_accuracy', 'test_loss']);
  });

  it.skipIf(isMissing)('gives the same model for the same seed and another for another', async () => {
    const params = { ...quick, dataset: await smallDataset(), maxShift: 1 };
    const [first, second, other] = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        const run = await attempt(command, { ...params, seed });
        return readFileSync(String(run.outputs()['checkpoint']), 'utf8');
      }),
    );
    expect(second).toBe(first);
    expect(other).not.toBe(first);
  });

  it.skipIf(isMissing)('stops soon after SIGTERM, says so and reports an early end', async () => {
    const run = start(command, { ...quick, dataset: await smallDataset(), epochs: 1000 });
    await until(() => run.metrics().length > 3, 'the first metrics');
    const askedAt = performance.now();
    run.child.kill('SIGTERM');
    expect(await run.exited).toBe(143);
    expect(performance.now() - askedAt).toBeLessThan(5000);
    expect(run.log()).toContain('SIGTERM received, stopping');
    expect(run.status()['status']).toBe('failed');
    expect(existsSync(join(run.directory, 'outputs.json'))).toBe(false);
  });

  it.skipIf(isMissing)('fails with the reason when the loss is no number any more', async () => {
    // Pixels this bright overflow to infinity in the hidden units, and to NaN behind them.
    const blinding = join(root, 'blinding.jsonl');
    const row = (split: string, label: number) => ({ split, label, pixels: [1e308, 1e308, 1e308, 1e308] });
    const rows = [row('train', 0), row('train', 1), row('validation', 2)];
    writeFileSync(blinding, rows.map((each) => `${JSON.stringify(each)}\n`).join(''));
    const run = await attempt(command, { ...quick, dataset: blinding });
    expect(run.exitCode).toBe(1);
    expect(run.log()).toMatch(/the loss is nan at step 0; a smaller learningRate \(now 0.08\) may help\n$/i);
    expect(run.status()).toMatchObject({
      status: 'failed',
      anomaly_detected: true,
      anomaly_reason: expect.stringMatching(/^the loss is nan at step 0/i),
    });
    expect(existsSync(join(run.directory, 'outputs.json'))).toBe(false);
  });

  it.skipIf(isMissing)('refuses wrong parameters with the name and the value', async () => {
    const epochs = await attempt(command, { dataset, epochs: 0 });
    expect([epochs.exitCode, epochs.log()]).toEqual([
      1,
      'train: parameter epochs is 0; expected a whole number from 1 to 1000\n',
    ]);
    const flag = await attempt([...command, '--speed', '3'], { dataset });
    expect(flag.log()).toMatch(/^train: unknown argument --speed; known are /);
    const missing = await attempt(command, { dataset: join(root, 'none.jsonl') });
    expect(missing.log()).toContain('none.jsonl; run preprocess');
    expect(missing.status()['status']).toBe('failed');
  });
});

describe('select', () => {
  it('chooses by the metric and passes on the checkpoint', async () => {
    const candidates = {
      small: { accuracy: 0.91, loss: 0.2, checkpoint: '/a' },
      broken: null,
      large: { accuracy: 0.95, loss: 0.3, checkpoint: '/b' },
    };
    const run = await attempt([NODE, 'select.ts'], { candidates, metric: 'accuracy' });
    expect(run.outputs()).toMatchObject({ name: 'large', accuracy: 0.95, checkpoint: '/b', value: 0.95 });
    expect(run.log()).toContain('broken: no accuracy, left out');
    expect(run.metrics()).toMatchObject([
      { step: 0, evaluation: { accuracy: 0.95 }, raw: { best_accuracy: 0.95 } },
    ]);
    const byLoss = await attempt([NODE, 'select.ts'], { candidates, metric: 'loss', direction: 'min' });
    expect(byLoss.outputs()).toMatchObject({ name: 'small', metric: 'loss', value: 0.2 });
  });

  it('fails when nothing can be chosen', async () => {
    const run = await attempt([NODE, 'select.ts'], { candidates: { small: { loss: 1 } } });
    expect([run.exitCode, run.log()]).toEqual([
      1,
      'select: no candidate has a finite metric "accuracy"; candidates: small\n',
    ]);
  });
});

describe('cleanup', () => {
  it('deletes exactly what it reports, and a second attempt agrees', async () => {
    const { trainings, paths } = fakeTrainings([0.5, 0.7], [0.9, 0.8, 0.6]);
    const params = { trainings, selected: paths[0], keep: 2 };
    for (const round of ['first', 'second']) {
      const run = await attempt([NODE, 'cleanup.ts'], params);
      expect(run.exitCode, `${round}: ${run.log()}`).toBe(0);
      expect(run.outputs()).toMatchObject({
        kept: [paths[0], paths[2], paths[3]],
        deleted: [paths[1], paths[4]],
      });
      expect(paths.map((path) => existsSync(path))).toEqual([true, false, true, true, false]);
    }
  });

  it('deletes nothing when a path is no checkpoint or none was chosen', async () => {
    const { trainings, paths } = fakeTrainings([0.5, 0.7]);
    const precious = join(root, 'precious.txt');
    writeFileSync(precious, 'mine');
    const strange = { ...trainings, other: { checkpoints: [{ path: precious, accuracy: 0 }] } };
    const run = await attempt([NODE, 'cleanup.ts'], { trainings: strange, selected: paths[0], keep: 0 });
    expect(run.exitCode).toBe(1);
    expect(run.log()).toContain('nothing was deleted');
    const unchosen = await attempt([NODE, 'cleanup.ts'], { trainings, keep: 0 });
    expect(unchosen.log()).toContain('parameter selected is missing');
    expect([precious, ...paths].every((path) => existsSync(path))).toBe(true);
  });
});

describe('alone, without Trainyard', () => {
  it('runs the whole chain under ./out and keeps the best', async () => {
    const out = join(root, 'alone');
    const steps = [
      ['preprocess.ts', '--samples', '2000', '--image-size', '14'],
      ['train.ts', '--name', 'small', '--hidden', '8', '--epochs', '2'],
      ['train.ts', '--name', 'large', '--hidden', '32', '--epochs', '2'],
      ['evaluate.ts', '--name', 'small'],
      ['evaluate.ts', '--name', 'large'],
      ['select.ts'],
      ['cleanup.ts', '--keep', '1'],
    ];
    for (const step of steps) {
      const done = spawnSync(NODE, [...step, '--out', out], {
        cwd: import.meta.dirname,
        env: bareEnvironment(),
      });
      expect(done.status, `${step.join(' ')}: ${done.stderr}`).toBe(0);
    }
    const read = (file: string) =>
      JSON.parse(readFileSync(join(out, file), 'utf8')) as Record<string, unknown>;
    const selected = read('select-model/outputs.json');
    const left = ['small', 'large'].flatMap((name) => {
      const folder = join(out, `train-${name}`, 'checkpoints');
      return readdirSync(folder).map((file) => join(folder, file));
    });
    expect(left).toContain(selected['checkpoint']);
    expect(left.length).toBeLessThanOrEqual(2);
    expect(read('train-small/metrics/train-small_status.json')).toMatchObject({ status: 'completed' });
  });
});

type Json = Record<string, unknown>;

interface Attempt {
  readonly id: string;
  readonly directory: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  log(): string;
  lines(file: string): Json[];
  metrics(): Json[];
  status(): Json;
  outputs(): Json;
}

/** Starts a program the way the agent does: an attempt directory, files for params and outputs, a log file. */
function start(command: readonly string[], params: Json): Attempt {
  const id = `run_${nextAttempt++}`;
  const directory = join(root, id);
  mkdirSync(join(directory, 'metrics'), { recursive: true });
  writeFileSync(join(directory, 'params.json'), JSON.stringify(params));
  const env = {
    ...bareEnvironment(),
    TRAINYARD_RUN_ID: id,
    TRAINYARD_ROOT_RUN_ID: 'run_root',
    TRAINYARD_STAGE: 'sweep/small',
    TRAINYARD_ATTEMPT: '1',
    TRAINYARD_ATTEMPT_DIR: directory,
    TRAINYARD_PARAMS: join(directory, 'params.json'),
    TRAINYARD_OUTPUTS: join(directory, 'outputs.json'),
    PLATFORM_METRICS_DIR: join(directory, 'metrics'),
  };
  let log = '';
  const child = spawn(command[0]!, command.slice(1), { cwd: import.meta.dirname, env });
  child.stdout.on('data', (chunk) => {
    log += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    log += String(chunk);
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const lines = (file: string) => {
    const path = join(directory, file);
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Json);
  };
  const json = (file: string) => JSON.parse(readFileSync(join(directory, file), 'utf8')) as Json;
  return {
    id,
    directory,
    child,
    exited,
    log: () => log,
    lines,
    metrics: () => lines(`metrics/${id}_metrics.jsonl`),
    status: () => json(`metrics/${id}_status.json`),
    outputs: () => json('outputs.json'),
  };
}

async function attempt(
  command: readonly string[],
  params: Json,
): Promise<Attempt & { exitCode: number | null }> {
  const started = start(command, params);
  return { ...started, exitCode: await started.exited };
}

function bareEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(TRAINYARD_|PLATFORM_|NODE_OPTIONS)/.test(name),
  );
  return Object.fromEntries(own);
}

let small: Promise<string> | undefined;

function smallDataset(): Promise<string> {
  small ??= attempt([NODE, 'preprocess.ts'], { samples: 1000, imageSize: 14 }).then((run) =>
    String(run.outputs()['dataset']),
  );
  return small;
}

function fakeTrainings(...accuracies: number[][]) {
  const base = mkdtempSync(join(root, 'trainings-'));
  const trainings = accuracies.map((list, candidate) => {
    const folder = join(base, `candidate-${candidate}`, 'checkpoints');
    mkdirSync(folder, { recursive: true });
    const checkpoints = list.map((accuracy, epoch) => {
      const path = join(folder, `epoch-00${epoch + 1}.json`);
      writeFileSync(path, '{}');
      return { path, epoch, accuracy, loss: 1 };
    });
    return [`candidate-${candidate}`, { checkpoints }] as const;
  });
  const paths = trainings.flatMap(([, { checkpoints }]) => checkpoints.map((each) => each.path));
  return { trainings: Object.fromEntries(trainings), paths };
}

/** The one shape of metric lines, whatever wrote them (spec: metrics file protocol). */
function expectMetricShape(
  line: Json,
  isEvaluated: boolean,
  rawKeys = [
    'train_loss',
    'train_accuracy',
    'learning_rate',
    ...(isEvaluated ? ['val_accuracy', 'val_loss'] : []),
  ],
): void {
  const number = expect.any(Number);
  expect(line).toEqual({
    step: number,
    timestamp: number,
    epoch: 0,
    loss: { total_loss: number },
    performance: { step_time: number, samples_per_second: number },
    ...(isEvaluated && { evaluation: { accuracy: number, loss: number } }),
    raw: Object.fromEntries(rawKeys.map((key) => [key, number])),
  });
  expect(Math.abs(Number(line['timestamp']) - Date.now() / 1000)).toBeLessThan(600);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited 30 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
