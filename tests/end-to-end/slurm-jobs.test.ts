import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Attempt, MetricPoint, ModelCheckpoint, RunTree, TrainingJob } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SlurmTestCluster, whyNoSlurm } from '../../packages/agent/src/testing/slurm-cluster.ts';
import { hasSshd, SshTestServer } from '../../packages/agent/src/testing/ssh-server.ts';
import { api, until } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const whyNot = whyNoSlurm ?? (hasSshd ? undefined : 'there is no sshd');
const support = resolve(import.meta.dirname, '../support');
let cluster: SlurmTestCluster;
let login: SshTestServer;
let platform: TestPlatform;
let agent: TrainyardProcess;

const shared = (path: string) => join(platform.dir, 'shared', path);

/** The commands of Slurm are on a login node; node and login node share a directory. */
beforeAll(async () => {
  if (whyNot !== undefined) return;
  [cluster, platform] = await Promise.all([SlurmTestCluster.start(), startPlatform(1)]);
  mkdirSync(shared('home'), { recursive: true });
  login = await SshTestServer.start({ SetEnv: `HOME=${shared('home')} SLURM_CONF=${cluster.configFile}` });
  mkdirSync(join(platform.dir, 'code'));
  for (const name of ['training-program.mjs', 'evaluation-program.mjs']) {
    cpSync(join(support, name), join(platform.dir, 'code', name));
  }
  const data = ['--data-dir', join(platform.dir, 'slurm-data')];
  const added = await runTrainyard([
    'hosts',
    'add',
    'login',
    'box',
    '--ssh-config',
    login.configFile,
    ...data,
  ]);
  expect(added).toMatchObject({ code: 0 });
  agent = startTrainyard(
    [
      'slurm-agent',
      'big',
      '--host',
      'login',
      '--partition',
      'debug',
      '--working-dir',
      shared('jobs'),
      ...data,
    ],
    { TRAINYARD_URL: platform.url },
  );
  await agent.line(/^ready /);
});
afterAll(async () => {
  await agent?.kill('SIGTERM');
  await platform?.stop();
  await login?.remove();
  await cluster?.remove();
});

const attemptsOf = async (run: RunTree) =>
  (await api(platform.url).get<{ items: Attempt[] }>(`/api/v1/runs/${run.id}/attempts`)).items;
const slurmId = ({ id }: Attempt) => readFileSync(shared(`jobs/attempts/${id}/slurm-job`), 'utf8').trim();

describe.skipIf(whyNot !== undefined)(`a pipeline in Slurm (${whyNot ?? 'behind a login node'})`, () => {
  it('has the items of a foreach in one array, tries one of them again, and cancels one', async () => {
    const command = `
      echo "lr $LR try $TRAINYARD_ATTEMPT of $SLURM_ARRAY_TASK_ID"
      [ "$LR" = 0.2 ] && [ "$TRAINYARD_ATTEMPT" = 1 ] && exit 3
      [ "$LR" = 0.4 ] && { trap "exit 9" TERM; while :; do sleep 0.05; done; }
      while [ ! -e "$GO" ]; do sleep 0.05; done
      printf '{"lr":%s}' "$LR" > "$TRAINYARD_OUTPUTS"`;
    const go = shared('go');
    const id = await platform.submit({
      name: 'sweep',
      stages: [
        {
          name: 'tune',
          foreach: { item: 'lr', in: [0.1, 0.2, 0.3, 0.4] },
          retry: { attempts: 2, backoff: '10ms' },
          job: {
            command,
            workingDir: 'code',
            env: { LR: '${{ item.lr }}', GO: go },
            executor: { slurm: { cluster: 'big' } },
          },
        },
      ],
    });
    const item = async (at: number) => stageOf(await api(platform.url).tree(id), `tune[${at}]`);
    await until(
      'the second try',
      async () => (await item(1)).attempt === 2 && (await item(1)).status === 'running',
    );
    await until('the fourth runs', async () => (await item(3)).status === 'running');
    const fourth = await item(3);
    await until('its output', async () =>
      (await api(platform.url).text(`/api/v1/runs/${fourth.id}/log`)).includes('lr 0.4'),
    );
    expect((await platform.trainyard('runs', 'cancel', fourth.id)).code).toBe(0);
    writeFileSync(go, '');
    const tree = await api(platform.url).ended(id);
    const items = [0, 1, 2, 3].map((at) => stageOf(tree, `tune[${at}]`));
    expect(items.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed', 'cancelled']);
    expect(items.slice(0, 3).map(({ outputs }) => outputs)).toEqual([{ lr: 0.1 }, { lr: 0.2 }, { lr: 0.3 }]);
    const tries = await Promise.all(items.map(attemptsOf));
    expect(tries.map((each) => each.length)).toEqual([1, 2, 1, 1]);
    const firsts = tries.map((each) => slurmId(each.find(({ number }) => number === 1)!));
    const [array] = firsts[0]!.split('_');
    expect(firsts.toSorted()).toEqual([0, 1, 2, 3].map((at) => `${array}_${at}`));
    expect(slurmId(tries[1]!.find(({ number }) => number === 2)!)).not.toContain('_');
    for (const each of tries.flat())
      expect(each).toMatchObject({ executor: 'slurm:big', cleanupError: null });
  }, 120_000);

  it('runs no cached stage again while nothing that was sent has changed', async () => {
    const input = (text: string) => writeFileSync(join(platform.dir, 'code/in.csv'), text);
    const run = async () => {
      const command = `printf '{"seen":"%s"}' "$(cat in.csv)" > "$TRAINYARD_OUTPUTS"`;
      const job = { command, workingDir: 'code', executor: { slurm: { cluster: 'big' } } };
      const cache = { inputs: ['code'], code: [] };
      const tree = await platform.ended({ name: 'cached', stages: [{ name: 'a', cache, job }] });
      return stageOf(tree, 'a');
    };
    input('one');
    const first = await run();
    expect(first.outputs).toEqual({ seen: 'one' });
    expect(await run()).toMatchObject({ cachedFrom: first.id, outputs: { seen: 'one' } });
    input('two');
    const second = await run();
    expect(second.outputs).toEqual({ seen: 'two' });
    expect(second).not.toHaveProperty('cachedFrom');
  }, 120_000);

  it('trains and evaluates there by runMode: slurm, and records metrics and checkpoints', async () => {
    const { post, get } = api(platform.url);
    const job = await post<TrainingJob>('/api/v1/jobs', {
      definition: {
        name: 'digits',
        command: [process.execPath, 'training-program.mjs'],
        evaluate: { command: [process.execPath, 'evaluation-program.mjs'] },
        workingDir: 'code',
        numGpus: 1,
        config: { seed: 1, losses: [0.5, 0.2] },
      },
      baseDir: platform.dir,
    });
    const slurm = { runMode: 'slurm', slurmConfig: { cluster: 'big', partition: 'other', memory: '200M' } };
    const tree = await platform.ended({
      name: 'train',
      stages: [
        { name: 'train', train_model: { job: 'digits', config: { seed: 7 }, ...slurm } },
        { name: 'judge', dependsOn: ['train'], run_evaluation: { job: 'digits', ...slurm } },
      ],
    });
    expect(tree.error).toBeNull();
    const [train, judge] = [stageOf(tree, 'train'), stageOf(tree, 'judge')];
    expect(train.outputs).toMatchObject({
      config: { seed: 7, num_gpus: 1 },
      seen: { TRAINYARD_JOB_ID: job.id, TRAINYARD_RUN_ID: train.id },
    });
    expect(judge.outputs).toMatchObject({ weights: 'weights 7 1', accuracy: 0.5 });
    const metrics = await get<Record<string, MetricPoint[]>>(`/api/v1/runs/${train.id}/metrics`);
    expect(metrics['total_loss']!.map(({ step, value }) => [step, value])).toEqual([
      [0, 0.5],
      [1, 0.2],
    ]);
    const { items } = await get<{ items: ModelCheckpoint[] }>('/api/v1/jobs/digits/checkpoints');
    expect(items.map(({ step }) => step)).toEqual([1, 0]);
    expect(items.every(({ path }) => existsSync(join(path, 'model.bin')))).toBe(true);
    for (const run of [train, judge]) {
      const [attempt] = await attemptsOf(run);
      expect(attempt).toMatchObject({ executor: 'slurm:big', target: { address: 'box' } });
      const [row] = await cluster.rows(['%P', '%b', '%m'], `--name=${attempt!.id}`);
      expect(row).toBe(`other ${run === train ? 'gres:gpu:1' : 'N/A'} 200M`);
    }
  }, 120_000);
});
