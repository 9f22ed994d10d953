import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { runProgram } from '../support/run-trainyard.ts';
import { PYTHON_PATH } from './python-programs.ts';

const ENV = { PYTHONPATH: PYTHON_PATH, PYTHONDONTWRITEBYTECODE: '1' };
const README = readFileSync(resolve(PYTHON_PATH, 'README.md'), 'utf8');
const EXAMPLES = [...README.matchAll(/^```python\n(.*?)^```$/gms)].map(([, program]) => program);
const WAITS = `
import time
from trainyard import FilesTracker, Pipeline

class Waits(Pipeline):
    def train(self):
        for n in range(10):
            with self.epoch(n):
                self.epoch_metrics["train_loss"] = 1 / (n + 1)
                if n == 2:
                    open("waits", "w").close()
                    time.sleep(600)

Waits(trackers=[FilesTracker()]).run()
`;

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform(1);
});
afterAll(() => platform.stop());

it('the Python module passes its own tests', async () => {
  const args = ['-W', 'error', '-m', 'unittest', 'discover', '-s', resolve(PYTHON_PATH, 'tests')];
  const { code, stderr } = await runProgram('python3', args, { env: ENV });
  expect(code, stderr).toBe(0);
});

it('the Python module can be read by Python 3.9', async () => {
  const check = `
import ast, glob, sys
paths = glob.glob(sys.argv[1] + "/trainyard/**/*.py", recursive=True)
for path in paths:
    ast.parse(open(path).read(), path, feature_version=(3, 9))
print(len(paths))
`;
  const { stdout, stderr } = await runProgram('python3', ['-c', check, PYTHON_PATH]);
  expect(Number(stdout), stderr).toBeGreaterThan(15);
});

it('the example of its README trains as a stage: its metrics are those of the run', async () => {
  const id = await submit('train.py', EXAMPLES[0]!);
  await api(platform.url).ended(id);
  const stage = await trainOf(id);
  expect(stage.status).toBe('completed');
  const metrics = await metricsOf(stage.id);
  const { val_loss: losses, learning_rate: rates } = metrics;
  expect(losses!.length).toBeGreaterThan(3);
  expect(losses!.map(({ step }) => step)).toEqual(losses!.map((_, step) => step));
  expect(losses!.at(-1)!.value).toBeLessThan(losses![0]!.value);
  expect(rates).toEqual([expect.objectContaining({ step: 0, value: 0.05 })]);
  expect(metrics['mistakes/largest']).toHaveLength(1);
});

it('every other example of the README runs', async () => {
  expect(EXAMPLES.length).toBeGreaterThan(2);
  const scratch = mkdtempSync(join(tmpdir(), 'trainyard-readme-'));
  // Twice: what resumes has something to resume from then.
  for (const example of [...EXAMPLES.slice(1), ...EXAMPLES.slice(1)]) {
    const { code, stderr } = await runProgram('python3', ['-c', example!], { env: ENV, cwd: scratch });
    expect(code, stderr).toBe(0);
  }
  rmSync(scratch, { recursive: true });
});

it('a stage that is cancelled inside of an epoch keeps the metrics of that epoch', async () => {
  const id = await submit('waits.py', WAITS);
  await until('the third epoch', async () => {
    const { status, id: stage } = await trainOf(id);
    return status === 'running' && (await metricsOf(stage))['train_loss']?.length === 2;
  });
  await api(platform.url).post(`/api/v1/runs/${id}/cancel`, {});
  await api(platform.url).ended(id);
  const stage = await trainOf(id);
  expect(stage.status).toBe('cancelled');
  expect((await metricsOf(stage.id))['train_loss']!.map(({ step }) => step)).toEqual([0, 1, 2]);
});

function submit(name: string, program: string): Promise<string> {
  platform.write(name, program);
  return platform.submit({
    name: 'python',
    params: { epochs: { type: 'integer', default: 40 } },
    stages: [
      {
        name: 'train',
        params: { epochs: '${{ params.epochs }}' },
        job: { command: ['python3', name], env: ENV },
      },
    ],
  });
}

async function trainOf(id: string) {
  return flatten(await api(platform.url).tree(id)).find(({ name }) => name === 'train')!;
}

async function metricsOf(id: string): Promise<Record<string, { step: number; value: number }[]>> {
  const { stdout, stderr } = await platform.trainyard('runs', 'metrics', id, '--json');
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, { step: number; value: number }[]>;
}
