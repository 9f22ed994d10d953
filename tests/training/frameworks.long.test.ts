import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { frameworksPython } from '../support/frameworks-python.ts';
import { mlflowPython } from '../support/mlflow-python.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { runProgram } from '../support/run-trainyard.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples');
const directory = mkdtempSync(join(tmpdir(), 'trainyard-frameworks-'));
let platform: TestPlatform;
let python = '';
beforeAll(async () => {
  python = frameworksPython();
  platform = await startPlatform(1);
}, 900_000);
afterAll(async () => {
  await platform.stop();
  rmSync(directory, { recursive: true });
});

it.each([
  ['sklearn-digits', 4],
  ['torch-digits', 3],
] as const)('the example %s trains as a stage and is tracked with it', async (example, epochs) => {
  const file = join(EXAMPLES, example, 'pipeline.yaml');
  const { code, stderr } = await platform.trainyard(
    ...['run', file, '--param', `python=${python}`, '--param', `epochs=${epochs}`],
  );
  expect(code, stderr).toBe(0);
  const { items } = await api(platform.url).get<{ items: { id: string; name: string }[] }>('/api/v1/runs');
  const run = items.find(({ name }) => name === example)!;
  const { stdout } = await platform.trainyard('runs', 'metrics', run.id, '--json');
  const metrics = JSON.parse(stdout) as Record<string, { step: number; value: number }[]>;
  expect(metrics['val_acc']!.map(({ step }) => step)).toEqual(Array.from({ length: epochs }, (_, n) => n));
  expect(metrics['val_acc']!.at(-1)!.value).toBeGreaterThan(0.8);
});

it('the example with PyTorch, killed in an epoch and started again, ends with the same weights', async () => {
  const whole = join(directory, 'whole');
  const parts = join(directory, 'parts');
  expect((await train(whole).ended).code).toBe(0);
  const first = train(parts);
  await until('a checkpoint in the second epoch', async () =>
    checkpointsIn(parts).some((name) => name.startsWith('epoch-1-batch-')),
  );
  first.child.kill('SIGKILL');
  await first.ended;
  expect(checkpointsIn(parts)).not.toContain('final');
  expect((await train(parts).ended).code).toBe(0);
  const compare = `
import sys, torch
from trainyard import latest_checkpoint
a, b = (torch.load(latest_checkpoint(path + "/checkpoints").path) for path in sys.argv[1:])
assert torch.equal(a["random"], b["random"])
for name, weights in a["model"].items():
    assert torch.equal(weights, b["model"][name]), name
`;
  const env = { PYTHONPATH: resolve(EXAMPLES, '../python') };
  const { code, stderr } = await runProgram(python, ['-c', compare, whole, parts], { env });
  expect(code, stderr).toBe(0);
});

it('scikit-learn with autolog of the client of MLflow is tracked by this server', async () => {
  const { code, stdout, stderr } = await runProgram(
    mlflowPython(),
    [join(EXAMPLES, 'sklearn-digits', 'autolog.py')],
    {
      cwd: directory,
      env: {
        MLFLOW_TRACKING_URI: platform.url,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES: '1',
        MLFLOW_DISABLE_TELEMETRY: 'true',
        GIT_PYTHON_REFRESH: 'quiet',
      },
    },
  );
  expect(code, stderr).toBe(0);
  const id = stdout.trim().split('\n').at(-1);
  const { run } = await api(platform.url).get<{ run: MlflowRun }>(`/api/2.0/mlflow/runs/get?run_id=${id}`);
  expect(run.info.status).toBe('FINISHED');
  expect(run.data.params).toContainEqual({ key: 'n_estimators', value: '20' });
  const metrics = new Map(run.data.metrics.map(({ key, value }) => [key, value]));
  expect(metrics.get('training_accuracy_score')).toBeGreaterThan(0.9);
  expect(metrics.get('test_accuracy')).toBeGreaterThan(0.8);
});

interface MlflowRun {
  readonly info: { readonly status: string };
  readonly data: {
    readonly params: readonly { readonly key: string; readonly value: string }[];
    readonly metrics: readonly { readonly key: string; readonly value: number }[];
  };
}

/** Starts the example with PyTorch by itself. */
function train(home: string) {
  const script = join(EXAMPLES, 'torch-digits', 'train.py');
  const launch =
    'import os, runpy, sys; os.makedirs(sys.argv[1], exist_ok=True); os.chdir(sys.argv[1]); runpy.run_path(sys.argv[2], run_name="__main__")';
  const child = spawn(python, ['-c', launch, home, script], { stdio: 'ignore' });
  return { child, ended: once(child, 'exit').then(([code]) => ({ code: code as number | null })) };
}

function checkpointsIn(home: string): string[] {
  try {
    return readdirSync(join(home, 'checkpoints'));
  } catch {
    return [];
  }
}
