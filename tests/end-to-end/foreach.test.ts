import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { runTrainyard } from '../support/run-trainyard.ts';

const PIPELINE = `
name: sweep
params: { rates: { type: json, default: [0.1, 0.01] } }
stages:
  - name: find
    job: { command: 'echo ''{"files":["a b.csv","c.csv"]}'' > "$TRAINYARD_OUTPUTS"' }
  - name: tune
    dependsOn: [find]
    foreach:
      matrix: { file: '\${{ stages.find.outputs.files }}', lr: '\${{ params.rates }}' }
    pipeline:
      stages:
        - name: train
          job:
            command: [sh, -c, 'echo "$0 at $1 in $TRAINYARD_STAGE"; echo "{\\"file\\":\\"$0\\"}" > "$TRAINYARD_OUTPUTS"', '\${{ item.file }}', '\${{ item.lr }}']
  - name: report
    dependsOn: [tune]
    params: { files: '\${{ stages.tune.outputs.map(each, each.train.file) }}' }
    job: { command: 'cat "$TRAINYARD_PARAMS"' }
`;

const dir = mkdtempSync(join(tmpdir(), 'trainyard-foreach-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('runs a matrix of real processes from the command line and joins their outputs', async () => {
  const file = join(dir, 'sweep.yaml');
  writeFileSync(file, PIPELINE);
  const at = ['--data-dir', join(dir, 'data')];
  const run = await runTrainyard(['run', file, '--json', ...at]);
  expect(run.code, run.stderr).toBe(0);
  const [, tune, report] = JSON.parse(run.stdout).children;
  expect(tune.children.map((each: { name: string; item: unknown }) => [each.name, each.item])).toEqual([
    ['tune[0]', { index: 0, value: { file: 'a b.csv', lr: 0.1 } }],
    ['tune[1]', { index: 1, value: { file: 'a b.csv', lr: 0.01 } }],
    ['tune[2]', { index: 2, value: { file: 'c.csv', lr: 0.1 } }],
    ['tune[3]', { index: 3, value: { file: 'c.csv', lr: 0.01 } }],
  ]);
  const log = await runTrainyard(['runs', 'logs', tune.children[1].children[0].id, ...at]);
  expect(log.stdout).toBe('a b.csv at 0.01 in tune[1]/train\n');
  const joined = await runTrainyard(['runs', 'logs', report.id, ...at]);
  expect(JSON.parse(joined.stdout).files).toEqual(['a b.csv', 'a b.csv', 'c.csv', 'c.csv']);
  const shown = await runTrainyard(['runs', 'show', JSON.parse(run.stdout).id, ...at]);
  expect(shown.stdout).toMatch(/tune\[3\] .*completed.*{"file":"c.csv","lr":0.01}/);
});

it('says of a list that is too long where it is written, and stores nothing', async () => {
  const file = join(dir, 'long.yaml');
  writeFileSync(file, PIPELINE.replace('matrix: {', 'maxItems: 3\n      matrix: { n: [1, 2, 3, 4],'));
  const refused = await runTrainyard(['run', file, '--data-dir', join(dir, 'none')]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/long\.yaml:\d+:\d+: the matrix has at least 4 items, more than maxItems/);
});
