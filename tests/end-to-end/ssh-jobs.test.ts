import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectLive } from '@trainyard/client';
import type { Attempt, MetricPoint, RunEvent, RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasSshd, SshTestServer } from '../../packages/agent/src/testing/ssh-server.ts';
import { api, until } from '../support/api.ts';
import { stageOf } from '../support/platform.ts';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const PROGRAM = readFileSync(join(import.meta.dirname, '../support/stepping-job.sh'), 'utf8');
const STEPS = 60;
const SECRET = 'hunter2-4711';
let dir: string;
let host: SshTestServer;
let port: number;
let url: string;
const processes: TrainyardProcess[] = [];

const dataDir = () => join(dir, 'data');
const inHost = (path: string) => join(dir, 'host', path);

async function start(...args: string[]): Promise<TrainyardProcess> {
  const started = startTrainyard([...args, '--data-dir', dataDir()], { TRAINYARD_URL: url });
  processes.push(started);
  await started.line(/^ready /);
  return started;
}
const startServer = () => start('up', '--no-agent', '--port', String(port));
const startHere = () => start('agent');
const startThere = () => start('agent', '--ssh', 'box');

beforeAll(async () => {
  if (!hasSshd) return;
  dir = mkdtempSync(join(tmpdir(), 'trainyard-ssh-jobs-'));
  mkdirSync(join(dir, 'code'));
  host = await SshTestServer.start();
  port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const options = ['--ssh-config', host.configFile, '--working-dir', inHost(''), '--slots', '2'];
  const added = await runTrainyard(['hosts', 'add', 'box', 'box', ...options, '--data-dir', dataDir()]);
  expect(added).toMatchObject({ code: 0, stdout: 'box added\n' });
});

afterAll(async () => {
  for (const each of processes.reverse()) await each.kill('SIGTERM');
  await host?.remove();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

/** One job here and one on the host, with the same program. */
async function submitBoth(): Promise<string> {
  const job = { command: PROGRAM, workingDir: 'code', env: { STEPS, TOKEN: '${{ secrets.TOKEN }}' } };
  const artifacts = { model: 'model.txt' };
  const definition = {
    name: 'both',
    stages: [
      { name: 'here', job },
      { name: 'there', job: { ...job, artifacts, executor: { ssh: { host: 'box' } } } },
    ],
  };
  return (await api(url).post<{ id: string }>('/api/v1/runs', { definition, baseDir: dir })).id;
}

const ended = (id: string) => api(url).ended(id, 90_000);
const attempts = async (runId: string) =>
  (await api(url).get<{ items: Attempt[] }>(`/api/v1/runs/${runId}/attempts`)).items;
const stored = async (run: RunTree) =>
  (await api(url).get<Record<string, MetricPoint[]>>(`/api/v1/runs/${run.id}/metrics`))['loss'] ?? [];
const untilStep = (run: RunTree, step: number) =>
  until(`step ${step} of ${run.name}`, async () => (await stored(run)).length > step);

const EXPECTED = Array.from({ length: STEPS }, (_, step) => ({ step, value: 1000 - step }));
const LOG = EXPECTED.map(({ step }) => `step ${step}\n`).join('');

async function expectWhole(tree: RunTree): Promise<void> {
  expect(tree.status).toBe('completed');
  for (const name of ['here', 'there']) {
    const run = stageOf(tree, name);
    expect((await stored(run)).map(({ step, value }) => ({ step, value }))).toEqual(EXPECTED);
    expect(await api(url).text(`/api/v1/runs/${run.id}/log`)).toBe(LOG);
    expect(run.outputs).toMatchObject({ steps: STEPS, secret: SECRET.length });
    expect((await attempts(run.id)).map(({ number, status }) => ({ number, status }))).toEqual([
      { number: 1, status: 'completed' },
    ]);
  }
}

describe.skipIf(!hasSshd)('jobs here and over SSH', () => {
  it('have the same steps live and in the database, though the agent over SSH is killed in between', async () => {
    await startServer();
    const set = await runTrainyard(['secrets', 'set', 'TOKEN', '--from-env', 'SECRET'], {
      env: { TRAINYARD_URL: url, SECRET },
    });
    expect(set.code).toBe(0);
    await startHere();
    const there = await startThere();
    const id = await submitBoth();
    const tree = await api(url).tree(id);
    const live = connectLive({ url });
    const seen = new Map<string, MetricPoint[]>();
    for (const run of tree.children) {
      seen.set(run.id, []);
      live.subscribe({ op: 'subscribe_metrics', runId: run.id }, (message) => {
        if (message.type === 'points') seen.get(run.id)!.push(...(message.points['loss'] ?? []));
      });
    }
    try {
      await untilStep(stageOf(tree, 'there'), 5);
      await there.kill('SIGKILL');
      // The program goes on; the next agent takes it over.
      await startThere();
      const end = await ended(id);
      await expectWhole(end);
      for (const name of ['here', 'there']) {
        const run = stageOf(end, name);
        const points = await stored(run);
        await until('all points live', async () => (seen.get(run.id)?.length ?? 0) >= STEPS);
        expect(seen.get(run.id)).toEqual(points);
      }
    } finally {
      live.close();
    }
  }, 180_000);

  it('say where they ran, and leave what can be brought', async () => {
    const id = await submitBoth();
    const end = await ended(id);
    await expectWhole(end);
    const [here] = await attempts(stageOf(end, 'here').id);
    const [there] = await attempts(stageOf(end, 'there').id);
    expect(here).toMatchObject({ executor: 'local', target: null });
    const remoteDir = inHost(`attempts/${there!.id}`);
    expect(there).toMatchObject({ executor: 'ssh:box', target: { address: 'box', dir: remoteDir } });
    // In the one directory that programs over there write their metrics to.
    const file = inHost(`platform_metrics/${stageOf(end, 'there').id}_metrics.jsonl`);
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(STEPS);
    const { model } = stageOf(end, 'there').outputs as { model: { path: string; sha256: string } };
    expect(model.path).toBe(`${remoteDir}/work/model.txt`);
    const target = join(dir, 'brought.txt');
    const got = await runTrainyard([
      'hosts',
      'get',
      'box',
      model.path,
      target,
      '--json',
      '--data-dir',
      dataDir(),
    ]);
    expect(JSON.parse(got.stdout)).toMatchObject({ sha256: model.sha256 });
    expect(readFileSync(target, 'utf8')).toBe(`model of ${STEPS}\n`);
    expect(await api(url).text(`/api/v1/runs/${id}/log`)).not.toContain(SECRET);
  }, 180_000);

  it('lose nothing when the server is killed and started again', async () => {
    const id = await submitBoth();
    const tree = await api(url).tree(id);
    await untilStep(stageOf(tree, 'there'), 5);
    const server = processes[0]!;
    await server.kill('SIGKILL');
    await startServer();
    await expectWhole(await ended(id));
  }, 180_000);

  it('end with their processes when they are cancelled', async () => {
    const command =
      'trap "" TERM; setsid sh -c "trap \'\' TERM; sleep 300" & echo ready; while :; do sleep 1; done';
    const stages = [{ name: 'there', job: { command, workingDir: 'code', grace: '1s', executor: 'ssh' } }];
    const body = { definition: { name: 'cancel', stages }, baseDir: dir };
    const { id } = await api(url).post<{ id: string }>('/api/v1/runs', body);
    const run = stageOf(await api(url).tree(id), 'there');
    await until('ready', async () => (await api(url).text(`/api/v1/runs/${run.id}/log`)).includes('ready'));
    const cancelled = await runTrainyard(['runs', 'cancel', id], { env: { TRAINYARD_URL: url } });
    expect(cancelled.code).toBe(0);
    expect((await ended(id)).status).toBe('cancelled');
    const [attempt] = await attempts(run.id);
    expect(attempt).toMatchObject({ status: 'cancelled', cleanupError: null, signal: 'SIGKILL' });
    expect(processesWith(attempt!.id)).toEqual([]);
  }, 120_000);

  it('are not run again while nothing that was sent has changed', async () => {
    const put = (file: string, text: string) => {
      mkdirSync(join(dir, 'cached'), { recursive: true });
      writeFileSync(join(dir, 'cached', file), text);
    };
    const submit = async (cache: object, ssh: object = {}) => {
      const command = 'cat in.csv > seen; printf \'{"seen":"%s"}\' "$(cat seen)" > "$TRAINYARD_OUTPUTS"';
      const job = { command, workingDir: 'cached', executor: { ssh: { host: 'box', ...ssh } } };
      const definition = { name: 'cached', stages: [{ name: 'a', cache, job }] };
      const { id } = await api(url).post<{ id: string }>('/api/v1/runs', { definition, baseDir: dir });
      return stageOf(await ended(id), 'a');
    };
    const files = { inputs: ['cached/in.csv'], code: [] };
    put('in.csv', 'one');
    const first = await submit(files);
    expect(first).toMatchObject({ status: 'completed', outputs: { seen: 'one' } });
    expect(await submit(files)).toMatchObject({ cachedFrom: first.id, outputs: { seen: 'one' } });
    put('in.csv', 'two');
    const second = await submit(files);
    expect(second).toMatchObject({ outputs: { seen: 'two' } });
    expect(second).not.toHaveProperty('cachedFrom');
    put('in.csv', 'one');
    expect((await submit(files)).cachedFrom).toBe(first.id);
    // What is on the host only may change there unseen.
    const there = inHost('own');
    mkdirSync(there);
    writeFileSync(join(there, 'in.csv'), 'there');
    for (const run of [
      await submit(files, { dir: there }),
      await submit(files, { dir: there }),
      await submit({ ...files, inputs: [join(there, 'in.csv')] }),
      await submit({ ...files, inputs: [join(there, 'in.csv')] }),
    ]) {
      expect(run.status).toBe('completed');
      expect(run).not.toHaveProperty('cachedFrom');
      const { items } = await api(url).get<{ items: RunEvent[] }>(`/api/v1/runs/${run.id}/events`);
      const told = items.find(({ type }) => type === 'run.not_cached')!.data as { reason: string };
      expect(told.reason).toMatch(/on another machine|not in the folder that is sent/);
    }
  }, 180_000);

  it('fail by their exit code, whatever words are in the log', async () => {
    const stages = ['exit 0', 'exit 1', 'exit 255'].map((exit, at) => ({
      name: `s${at}`,
      job: { command: `echo "0 Errors, no Exception"; ${exit}`, workingDir: 'code', executor: 'ssh' },
    }));
    const body = { definition: { name: 'exits', stages }, baseDir: dir };
    const { id } = await api(url).post<{ id: string }>('/api/v1/runs', body);
    const end = await ended(id);
    expect(end.children.map(({ status, error }) => [status, error?.code])).toEqual([
      ['completed', undefined],
      ['failed', 'exit_code'],
      ['failed', 'exit_code'],
    ]);
  }, 120_000);
});

/** Pids of all processes that carry the mark of an attempt. */
function processesWith(attemptId: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`TRAINYARD_ATTEMPT_ID=${attemptId}`);
    } catch {
      return false;
    }
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
