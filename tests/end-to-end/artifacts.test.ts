import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-artifacts-'));
const at = ['--data-dir', join(dir, 'data')];
let server: TrainyardProcess;

beforeAll(async () => {
  server = startTrainyard(['up', '--port', '0', ...at]);
  await server.line(/^ready (http:\S+)$/);
});
afterAll(async () => {
  await server.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

async function run(name: string, source: string) {
  mkdirSync(join(dir, name), { recursive: true });
  const file = join(dir, name, 'pipeline.yaml');
  writeFileSync(file, source);
  const done = await runTrainyard(['run', file, '--json', ...at]);
  return { ...done, tree: JSON.parse(done.stdout) };
}

it('hands a file with its hash from an inner stage to a job outside', async () => {
  const { code, stderr, tree } = await run(
    'good',
    `
name: good
params: { file: { type: string, default: model.bin } }
stages:
  - name: inner
    pipeline:
      stages:
        - name: train
          job:
            command: 'mkdir -p out; printf weights > out/model.bin; echo ''{"loss": 1}'' > "$TRAINYARD_OUTPUTS"'
            artifacts: { model: 'out/\${{ params.file }}' }
  - name: check
    dependsOn: [inner]
    job:
      command: [sh, -c, 'echo "$1  $0" | sha256sum -c', '\${{ stages.inner.outputs.train.model.path }}', '\${{ stages.inner.outputs.train.model.sha256 }}']
`,
  );
  expect(code, stderr).toBe(0);
  expect(tree.children[0].children[0].outputs).toEqual({
    loss: 1,
    model: {
      path: join(dir, 'good', 'out/model.bin'),
      sha256: createHash('sha256').update('weights').digest('hex'),
      sizeBytes: 7,
    },
  });
});

it.each([
  ['missing', 'true', 'artifact_missing', 'out/model.bin does not exist'],
  ['directory', 'mkdir -p out/model.bin', 'artifact_missing', 'is not a file; pack a directory'],
  [
    'twice',
    'mkdir -p out; echo x > out/model.bin; echo \'\'{"model": 1}\'\' > "$TRAINYARD_OUTPUTS"',
    'invalid_outputs',
    'outputs.json has "model"',
  ],
])('fails a job whose artifact is %s, and says which', async (name, command, errorCode, says) => {
  const { code, tree } = await run(
    name,
    `name: ${name}\nstages:\n  - name: train\n    job: { command: '${command}', artifacts: { model: out/model.bin } }\n`,
  );
  expect(code).toBe(10);
  expect(tree.children[0].error).toMatchObject({ code: errorCode, message: expect.stringContaining(says) });
});

it('tells a job which run is around it', async () => {
  const { tree } = await run(
    'parent',
    `name: parent\nstages:\n  - name: each\n    foreach: { item: x, in: [1] }\n    pipeline:\n      stages:\n        - { name: say, job: { command: 'echo "{\\"parent\\":\\"$TRAINYARD_PARENT_RUN_ID\\"}" > "$TRAINYARD_OUTPUTS"' } }\n`,
  );
  const [item] = tree.children[0].children;
  expect(item.children[0].outputs).toEqual({ parent: item.id });
});
