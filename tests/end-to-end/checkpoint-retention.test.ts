import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelCheckpoint } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';

/** Saves a checkpoint per loss of its config, from `first` on, and waits for "go-NAME" where the config says so. */
const TRAIN = `
const fs = require('node:fs');
const { losses, first = 0, gate } = JSON.parse(fs.readFileSync(process.env.TRAINYARD_PARAMS, 'utf8'));
losses.forEach((loss, index) => {
  const step = first + index;
  const path = process.env.TRAINYARD_CHECKPOINT_DIR + '/step-' + step;
  fs.writeFileSync(path, 'weights ' + step);
  const line = '{"path": ' + JSON.stringify(path) + ', "step": ' + step + ', "metrics": {"eval_loss": ' + loss + '}}';
  fs.appendFileSync(process.env.TRAINYARD_ATTEMPT_DIR + '/checkpoints.jsonl', line + '\\n');
});
if (gate) {
  fs.writeFileSync('at-' + gate, '');
  while (!fs.existsSync('go-' + gate)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}
`;

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
  platform.write('train.cjs', TRAIN);
});
afterAll(() => platform.stop());

async function jobOf(name: string, retention: object) {
  const checkpointDir = join(platform.dir, name);
  mkdirSync(checkpointDir);
  const definition = { name, command: ['node', 'train.cjs'], numGpus: 0, checkpointDir, retention };
  await api(platform.url).post('/api/v1/jobs', { definition, baseDir: platform.dir });
  const list = async () =>
    (await api(platform.url).get<{ items: ModelCheckpoint[] }>(`/api/v1/jobs/${name}/checkpoints`)).items;
  return {
    list,
    train: (config: object, more: object = {}) => ({
      name,
      stages: [{ name: 'train', train_model: { job: name, config, ...more } }],
    }),
    /** Steps whose files are there, after a look that rows say the same. */
    async steps() {
      const onDisk = readdirSync(checkpointDir)
        .map((file) => Number(file.slice('step-'.length)))
        .sort((a, b) => a - b);
      const inRows = (await list()).map(({ step }) => step!).sort((a, b) => a - b);
      expect(inRows).toEqual(onDisk);
      return onDisk;
    },
    async id(step: number) {
      return (await list()).find((each) => each.step === step)!.id;
    },
  };
}

it('scenario 46: the best by metric and direction and the latest stay when checkpoints come; ties and NaN', async () => {
  const low = await jobOf('low', { keepBest: 2, keepLast: 1, missingMetric: 'delete' });
  await platform.ended(low.train({ losses: [0.5, 0.1, 'NaN', 0.3, 0.1, 0.4] }));
  // Of two that are equally good both are among the best; the latest stays beside them.
  expect(await low.steps()).toEqual([1, 4, 5]);
  await platform.ended(low.train({ losses: [0.05], first: 6 }));
  // The best is the latest: kept once. Of the equal ones the later wins.
  expect(await low.steps()).toEqual([4, 6]);

  const high = await jobOf('high', { keepBest: 1, keepLast: 0, direction: 'max' });
  await platform.ended(high.train({ losses: [0.5, 'Infinity', 0.9, 'NaN', 0.1] }));
  // What is not known is kept here, and never is the best.
  expect(await high.steps()).toEqual([1, 2, 3]);
  expect((await high.list())[0]).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

it('scenario 46: a pinned one and one that a training goes on from are never deleted', async () => {
  const { train, steps, id } = await jobOf('pins', { keepBest: 1, keepLast: 1 });
  await platform.ended(train({ losses: [0.1, 0.9] }));
  expect(await steps()).toEqual([0, 1]);
  const pinned = await id(1);
  const { stdout, code } = await platform.trainyard('checkpoints', 'pin', pinned);
  expect([code, stdout]).toEqual([0, `${pinned} pinned\n`]);
  await platform.ended(train({ losses: [0.05], first: 2 }));
  expect(await steps()).toEqual([1, 2]);

  // One training goes on from step 2 while another brings better and later ones.
  const resumed = await platform.submit(
    train({ losses: [0.8], first: 3, gate: 'resumed' }, { checkpoint: 'latest' }),
  );
  await until('the resumed training', async () => existsSync(join(platform.dir, 'at-resumed')));
  await platform.ended(train({ losses: [0.01, 0.7], first: 10 }));
  expect(await steps().catch(() => 'differ')).toEqual('differ');
  expect(existsSync(join(platform.dir, 'pins', 'step-2'))).toBe(true);
  platform.write('go-resumed', '');
  await api(platform.url).ended(resumed);
  await platform.trainyard('checkpoints', 'unpin', pinned);
  await platform.ended(train({ losses: [0.6], first: 20 }));
  expect(await steps()).toEqual([10, 20]);
  const refused = await platform.trainyard('checkpoints', 'pin', pinned);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('deleted since')]);
});

it('a checkpoint that is asked to go goes with the next training, and a pinned one is refused', async () => {
  const { train, steps, id } = await jobOf('removal', { keepBest: 5, keepLast: 5 });
  await platform.ended(train({ losses: [0.1, 0.2] }));
  const [first, second] = [await id(0), await id(1)];
  await platform.trainyard('checkpoints', 'pin', second);
  expect((await platform.trainyard('checkpoints', 'remove', second)).code).toBe(1);
  expect((await platform.trainyard('checkpoints', 'remove', first)).stdout).toBe(
    `${first} will be removed\n`,
  );
  const listed = await platform.trainyard('checkpoints', 'list', 'removal');
  expect(listed.stdout).toMatch(/pinned[\s\S]*to be removed/);
  await platform.ended(train({ losses: [0.3], first: 2 }));
  expect(await steps()).toEqual([1, 2]);
});
