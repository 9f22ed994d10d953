import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@trainyard/client';
import type { RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { command, type RunningCommand, startCommand, temporaryDir } from '../testing/command.ts';

/** Writes a line for each run that really runs, and fails where a file of that name says so. */
const PROGRAM = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
const { trial, repeat, seed, settings } = JSON.parse(readFileSync(process.env.TRAINYARD_PARAMS, 'utf8'));
const name = trial.name + '-' + repeat;
appendFileSync('ran.txt', [name, seed, process.env.TRAINYARD_SEED, process.argv[2]].join(' ') + '\\n');
if (existsSync('fail-' + name)) process.exit(1);
while (existsSync('wait-' + name)) await new Promise((resolve) => setTimeout(resolve, 50));
const line = { step: 0, score: settings.lr * 10 + repeat };
appendFileSync(process.env.PLATFORM_METRICS_DIR + '/' + process.env.TRAINYARD_RUN_ID + '_metrics.jsonl', JSON.stringify(line) + '\\n');
`;
const TRIALS = (lr: number) => `
- { name: a, repeat: 2, seeds: [3, 4], settings: { lr: 0.1 } }
- { name: b, settings: { lr: ${lr} } }
`;

let root: string;
let remove: () => Promise<void>;
let server: RunningCommand;
let url: string;

beforeAll(async () => {
  ({ dir: root, remove } = await temporaryDir());
  server = startCommand(['up', '--port', '0', '--slots', '2', '--data-dir', join(root, 'data')]);
  url = /^ready (\S+)/m.exec(await server.until('stdout', /^ready \S+$/m))![1]!;
});
afterAll(async () => {
  server.process.kill('SIGTERM');
  await server.ended;
  await remove();
});

const trainyard = (dir: string, ...args: string[]) =>
  command(['--data-dir', join(root, 'data'), 'experiment', ...args], {}, dir);
const ran = async (dir: string) => (await readFile(join(dir, 'ran.txt'), 'utf8')).trim().split('\n').sort();
const treeOf = async (dir: string): Promise<RunTree> => {
  const { id } = JSON.parse(await readFile(join(dir, 'workspace/run.json'), 'utf8')) as { id: string };
  return createClient({ url }).getTree(id);
};

async function experiment(name: string): Promise<string> {
  const dir = join(root, name);
  await mkdir(dir);
  await writeFile(join(dir, 'train.mjs'), PROGRAM);
  await writeFile(join(dir, 'env.yaml'), 'maxParallel: 2\n');
  const job = `job: { command: [node, train.mjs, '\${{ item.trial.settings.lr }}'] }`;
  await writeFile(join(dir, 'experiment.yaml'), `name: ${name}\n${job}\n`);
  await writeFile(join(dir, 'base.yaml'), '# nothing\n');
  await writeFile(join(dir, 'trials.yaml'), TRIALS(0.2));
  return dir;
}

it('runs each trial as often as it says, with its seed and settings, and tells the results', async () => {
  const dir = await experiment('whole');
  const { code, stderr } = await trainyard(dir, 'run');
  expect(code, stderr).toBe(0);
  const lines = await ran(dir);
  expect(lines.slice(0, 2)).toEqual(['a-0 3 3 0.1', 'a-1 4 4 0.1']);
  expect(lines[2]).toMatch(/^b-0 (\d+) \1 0.2$/);
  const { stdout } = await trainyard(dir, 'results', '.', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    status: 'completed',
    trials: [
      { name: 'a', metrics: { score: { mean: 1.5, deviation: Math.SQRT1_2, values: [1, 2] } } },
      { name: 'b', metrics: { score: { mean: 2, deviation: null, values: [2] } } },
    ],
  });
  expect((await trainyard(dir, 'results')).stdout).toMatch(
    /a +2 completed +1\.5 ± 0\.7071\nb +1 completed +2\n/,
  );
});

it('goes on where an earlier run failed, and runs what has another config', async () => {
  const dir = await experiment('resumed');
  await writeFile(join(dir, 'fail-a-1'), '');
  expect(await trainyard(dir, 'run')).toMatchObject({ code: 10 });
  expect(await ran(dir)).toHaveLength(3);
  await rm(join(dir, 'fail-a-1'));
  await writeFile(join(dir, 'ran.txt'), '');
  const again = await trainyard(dir, 'run');
  expect(again.code, again.stderr).toBe(0);
  expect(again.stderr).toMatch(/goes on from run_\w+, which ended failed/);
  expect(await ran(dir)).toEqual(['a-1 4 4 0.1']);
  await writeFile(join(dir, 'ran.txt'), '');
  await writeFile(join(dir, 'trials.yaml'), TRIALS(0.3));
  expect((await trainyard(dir, 'run', '.', '--dry-run')).stdout).toMatch(
    /a\[0\] +job +kept.*\n.*a\[1\] +job +kept/,
  );
  expect(await trainyard(dir, 'run')).toMatchObject({ code: 0 });
  expect((await ran(dir)).map((line) => line.split(' ')[0])).toEqual(['b-0']);
  // Metrics of what was kept are there as well.
  const { stdout } = await trainyard(dir, 'results', '.', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    trials: [{ metrics: { score: { values: [1, 2] } } }, { metrics: { score: { values: [3] } } }],
  });
  await writeFile(join(dir, 'ran.txt'), '');
  expect(await trainyard(dir, 'run', '.', '--fresh')).toMatchObject({ code: 0 });
  expect(await ran(dir)).toHaveLength(3);
});

it('watches a run that still goes on instead of starting another one', async () => {
  const dir = await experiment('watched');
  await writeFile(join(dir, 'wait-b-0'), '');
  const first = await trainyard(dir, 'run', '.', '--detach', '--json');
  const { id } = JSON.parse(first.stdout) as { id: string };
  const second = startCommand(['--data-dir', join(root, 'data'), 'experiment', 'run', dir]);
  await second.until('stderr', new RegExp(`running already: ${id}`));
  await rm(join(dir, 'wait-b-0'));
  expect(await second.ended).toMatchObject({ code: 0, stdout: `${id} completed\n` });
  expect(await ran(dir)).toHaveLength(3);
  expect((await treeOf(dir)).id).toBe(id);
});

it('tells every fault with its file and line, and starts nothing', async () => {
  const dir = await experiment('faulty');
  await writeFile(join(dir, 'env.yaml'), 'workspac: x\n');
  await writeFile(join(dir, 'trials.yaml'), '- { name: a, repeat: 0 }\n');
  const shape = await trainyard(dir, 'run');
  expect(shape).toMatchObject({ code: 2, stdout: '' });
  expect(shape.stderr).toMatch(
    /^env\.yaml:1:1: unknown key "workspac" in env\.yaml; did you mean "workspace"\?\n/,
  );
  expect(shape.stderr).toMatch(/trials\.yaml:1:22: "repeat" must be at least 1, found the number 0\n$/);
  await writeFile(join(dir, 'env.yaml'), '');
  await writeFile(join(dir, 'trials.yaml'), TRIALS(0.1));
  await writeFile(join(dir, 'experiment.yaml'), 'name: faulty\njob:\n  comand: [node]\n');
  const ofJob = await trainyard(dir, 'plan');
  expect(ofJob.stderr).toMatch(
    /experiment\.yaml:3:3: "job" needs "command"\nexperiment\.yaml:3:11: unknown key "comand"/,
  );
  await rm(join(dir, 'base.yaml'));
  expect((await trainyard(dir, 'plan')).stderr).toMatch(
    /There is no file .*base\.yaml\. An experiment has four:/,
  );
  await expect(treeOf(dir)).rejects.toThrow(/ENOENT/);
});

it('says that nothing was run yet', async () => {
  const dir = await experiment('never');
  expect(await trainyard(dir, 'results')).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/No run of the experiment in \. .*trainyard experiment run \./),
  });
});
