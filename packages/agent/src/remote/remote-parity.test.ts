import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attemptFiles, newId } from '@trainyard/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Agent, createAgent } from '../agent.ts';
import { localProgramFiles } from '../local/local-program-files.ts';
import { listProcesses } from '../local/process-table.ts';
import { RemoteMachine } from '../telemetry/remote-machine.ts';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { fakeNvidiaSmi } from '../testing/fake-nvidia-smi.ts';
import { silentLog } from '../testing/silent-log.ts';
import { hasSshd, SshTestServer } from '../testing/ssh-server.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import { HostLink } from './host-link.ts';
import { RemoteExecutor } from './remote-executor.ts';
import { RemoteProgramFiles } from './remote-program-files.ts';

const EXAMPLE = fileURLToPath(new URL('../../../../examples/pause/', import.meta.url));
const never = new AbortController().signal;
let root: string;
let server: SshTestServer;
let transport: SshTransport;
let peer: AgentPeer;
let agent: Agent;
let executor: RemoteExecutor;

beforeAll(async () => {
  if (!hasSshd) return;
  root = mkdtempSync(join(tmpdir(), 'trainyard-parity-'));
  const { PATH } = await fakeNvidiaSmi(root, 'echo "0, GPU-a, 11, 1, 2, [N/A], ERR!, A"');
  server = await SshTestServer.start({ SetEnv: `PATH=${PATH} HOME=${root}` });
  transport = new SshTransport(server.target, { key: root });
  const workingDir = join(root, 'host');
  executor = new RemoteExecutor({
    ...{ name: 'ssh:box', transport, workingDir },
    ...{ log: silentLog, pollMs: 200 },
  });
  peer = new AgentPeer();
  await peer.listen();
  agent = createAgent({
    ...{ url: peer.url, dataDir: join(root, 'agent'), log: silentLog, gpus: 1 },
    executors: { ssh: executor },
    machine: new RemoteMachine({ transport, dir: workingDir }),
    timing: { telemetryMs: 300 },
  });
  await agent.start();
});

afterEach(async () => {
  for (const attempt of peer?.attempts.values() ?? []) peer.command(attempt, 'discard');
  await eventually('end of all jobs', () => agent === undefined || agent.held.length === 0);
  peer?.attempts.clear();
});

afterAll(async () => {
  await agent?.stop();
  await peer?.close();
  await server?.remove();
  if (root !== undefined) rmSync(root, { recursive: true, force: true });
});

const submit = (command: PeerAttempt['spec']['command'], more: object = {}) =>
  peer.submit({ command, executor: 'ssh', workingDir: EXAMPLE, ...more });
const train = (env: Record<string, string>, more: object = {}) =>
  submit(['python3', 'train.py'], { env, ...more });
const finished = (attempt: PeerAttempt) => eventually('finish report', () => finishOf(attempt), 60_000);
const linesOf = (attempt: PeerAttempt, stream: 'metrics' | 'system') =>
  streamOf(attempt, stream)
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, number>);
const remoteDir = ({ spec }: PeerAttempt) => join(root, 'host/attempts', spec.attemptId);
const told = (attempt: PeerAttempt, kind: 'paused' | 'resumed' | 'started' | 'params') =>
  eventually(kind, () => attempt.reports.find((report) => report.kind === kind));

describe.skipIf(!hasSshd)('a program on a host', () => {
  test('finds changed params in a file, and its answer is reported', async () => {
    const job = submit(
      `until [ -e "$TRAINYARD_ATTEMPT_DIR/params-update.json" ]; do sleep 0.05; done
      cat "$TRAINYARD_ATTEMPT_DIR/params-update.json"
      echo '{"revision": 1, "accepted": {"lr": 0.5}, "step": 3}' > "$TRAINYARD_ATTEMPT_DIR/params-update.ack.json"
      until [ -e "$TRAINYARD_ATTEMPT_DIR/end" ]; do sleep 0.05; done`,
    );
    await told(job, 'started');
    peer.changeParams(job, { revision: 1, params: { lr: 0.5 } });
    const answer = { revision: 1, accepted: { lr: 0.5 }, rejected: {}, step: 3 };
    expect(await told(job, 'params')).toMatchObject({ answer });
    writeFileSync(join(remoteDir(job), 'end'), '');
    expect(await finished(job)).toMatchObject({ outcome: 'completed' });
    expect(streamOf(job, 'log').toString()).toContain('{"revision":1,"params":{"lr":0.5}}');
  });

  test('finds the token that its stage asks for, and no other does', async () => {
    const show = 'echo "$TRAINYARD_JOB_TOKEN at $TRAINYARD_URL"';
    const [asks, other] = [submit(show, { jobToken: true }), submit(show)];
    await Promise.all([finished(asks), finished(other)]);
    expect(streamOf(asks, 'log').toString()).toBe(`tyj_${asks.spec.attemptId} at ${peer.url}\n`);
    expect(streamOf(other, 'log').toString()).not.toContain('tyj_');
  });
});

describe.skipIf(!hasSshd)('a pause over SSH', () => {
  test('lets the program wait at a step, with its model in memory', async () => {
    const job = train({ STEPS: '60', STEP_SECONDS: '0.02' });
    await eventually('three steps', () => linesOf(job, 'metrics').length > 3);
    peer.command(job, 'pause', 'cooperative');
    expect(await told(job, 'paused')).toMatchObject({ mode: 'cooperative' });
    peer.command(job, 'resume');
    await told(job, 'resumed');
    expect(await finished(job)).toMatchObject({ outcome: 'completed' });
    expect(linesOf(job, 'metrics').map(({ step }) => step)).toEqual(
      Array.from({ length: 60 }, (_, at) => at + 1),
    );
    expect(readFileSync(join(remoteDir(job), 'work/model-loads'), 'utf8')).toBe('loaded\n');
  });

  test('by release ends it with a checkpoint on the host, from which the next attempt goes on', async () => {
    const env = { STEPS: '400', STEP_SECONDS: '0.01' };
    const job = train(env, { graceMs: 20_000 });
    await eventually('ten steps', () => linesOf(job, 'metrics').length > 10);
    peer.command(job, 'pause', 'release');
    const end = await finished(job);
    expect(end).toMatchObject({ outcome: 'released', exitCode: 0 });
    expect(end?.checkpoint?.path).toBe(join(remoteDir(job), 'work/checkpoint.json'));
    const next = train({ ...env, STEP_SECONDS: '0' }, { number: 2, resumeFrom: end?.checkpoint });
    expect(await finished(next)).toMatchObject({ outcome: 'completed' });
    const steps = [job, next].flatMap((each) => linesOf(each, 'metrics').map(({ step }) => step));
    expect(steps).toEqual(Array.from({ length: 400 }, (_, at) => at + 1));
  });

  test('of a program that does not look at its control file freezes it', async () => {
    const job = submit('exec sleep 60');
    await told(job, 'started');
    peer.command(job, 'pause', 'cooperative');
    expect(await told(job, 'paused')).toMatchObject({ mode: 'freeze' });
  });
});

describe.skipIf(!hasSshd)('telemetry over SSH', () => {
  test('records the host, its GPUs and the processes of the attempt; odd values are left out', async () => {
    const job = submit('while :; do :; done', { gpus: 1 });
    const busy = await eventually('a busy job', () =>
      linesOf(job, 'system').find((line) => (line['system/process/cpu_percent'] ?? 0) > 0),
    );
    expect(busy).toMatchObject({
      'system/process/count': 1,
      'system/gpu/0/utilization_percent': 11,
      'system/gpu/0/memory_used_percent': 50,
      'system/cpu/utilization_percent': expect.any(Number),
      'system/memory/used_bytes': expect.any(Number),
      'system/disk/used_percent': expect.any(Number),
      'system/disk/read_bytes_per_second': expect.any(Number),
      'system/network/received_bytes_per_second': expect.any(Number),
    });
    expect(busy).not.toHaveProperty('system/gpu/0/power_watts');
    expect(busy).not.toHaveProperty('system/gpu/0/temperature_celsius');
    expect(busy['system/process/memory_bytes']).toBeGreaterThan(100_000);
  });
});

describe.skipIf(!hasSshd)('the end over SSH', () => {
  /** One without the mark of the attempt and outside of its session: only its cgroup knows it. */
  test('reaches a process that has left session and environment, where the host has a cgroup2 for us', async () => {
    const job = submit('env -i setsid sleep 4711.5 & echo ready; wait');
    await eventually('output', () => streamOf(job, 'log').toString().includes('ready'));
    const isThere = async () =>
      (await listProcesses()).filter(({ pid }) => commandOf(pid).includes('4711.5')).map(({ pid }) => pid);
    await eventually('the process', async () => (await isThere()).length > 0);
    const cgroup = join(remoteDir(job), 'cgroup');
    const hasCgroup = existsSync(cgroup);
    const group = hasCgroup ? readFileSync(cgroup, 'utf8').trim() : '';
    peer.command(job, 'cancel');
    expect(await finished(job)).toMatchObject({ outcome: 'cancelled', cleanupError: null });
    const left = await isThere();
    if (hasCgroup) expect([left, existsSync(group)]).toEqual([[], false]);
    for (const pid of left) process.kill(pid, 'SIGKILL');
  });
});

describe.skipIf(!hasSshd)('files on a host', () => {
  test('of an attempt go with its directory here: all of it, and the links that lead into it', async () => {
    const [one, other] = [submit('echo one'), submit('echo other')];
    await finished(one);
    await finished(other);
    const links = () => readdirSync(join(root, 'host/platform_metrics'));
    expect(links()).toContain(`${one.spec.runId}_metrics.jsonl`);
    const oldCode = join(root, 'host/code/old');
    mkdirSync(oldCode);
    utimesSync(oldCode, new Date(0), new Date(0));
    const files = attemptFiles(join(root, 'agent/attempts', one.spec.attemptId), one.spec.runId);
    await executor.removeFiles(files, one.spec);
    expect([remoteDir(one), remoteDir(other), oldCode].map((path) => existsSync(path))).toEqual([
      false,
      true,
      false,
    ]);
    expect(links().filter((name) => name.startsWith(one.spec.runId))).toEqual([]);
    expect(links().filter((name) => name.startsWith(other.spec.runId))).toHaveLength(2);
    expect(readdirSync(join(root, 'host/code'))).toHaveLength(1);
    await executor.removeFiles(files, one.spec);
  });

  test('that are directories have the digest that they have here, and none where something cannot be read', async () => {
    const model = join(root, 'checkpoints', 'model');
    mkdirSync(join(model, 'shards'), { recursive: true });
    for (const name of ['b', 'B', 'shards/x\ny', '\uffee', '\u{1f600}'])
      writeFileSync(join(model, name), name);
    symlinkSync('b', join(model, 'link'));
    const { signal } = new AbortController();
    const there = new RemoteProgramFiles(new HostLink(transport, never), root, root);
    const digest = await there.sha256OfDirectory(model, signal);
    expect(digest).toBe(await localProgramFiles(root).sha256OfDirectory(model, signal));
    expect(await there.sha256(join(model, 'b'), signal)).toMatch(/^[0-9a-f]{64}$/);
    await expect(there.sha256OfDirectory(join(root, 'gone'), signal)).rejects.toThrow('cannot be read');
    // Nobody can open a file with so long a path, root neither.
    const deep =
      'import os, sys\nfor _ in range(20):\n  os.mkdir(sys.argv[1]); os.chdir(sys.argv[1])\nopen("file", "w")';
    execFileSync('python3', ['-c', deep, 'd'.repeat(250)], { cwd: model });
    await expect(there.sha256OfDirectory(model, signal)).rejects.toThrow('cannot be read');
    execFileSync('rm', ['-rf', model]);
  });

  test('are removed inside of attempts and the directory of the job, and nowhere else', async () => {
    const attempts = join(root, 'host/attempts');
    const inside = join(attempts, newId('att'), 'step 1');
    const elsewhere = join(root, 'elsewhere');
    const ofJob = join(root, 'checkpoints', 'b');
    const linked = join(attempts, 'linked');
    for (const dir of [inside, elsewhere, ofJob]) mkdirSync(dir, { recursive: true });
    writeFileSync(join(inside, 'model.bin'), 'x');
    symlinkSync(elsewhere, linked);
    mkdirSync(join(elsewhere, 'inner'));
    const files = new RemoteProgramFiles(new HostLink(transport, never), root, attempts);
    const removed: string[] = [];
    const remove = (path: string) =>
      files.remove(path, join(root, 'checkpoints'), async () => void removed.push(path));
    for (const path of [inside, ofJob, elsewhere, attempts, linked, join(linked, 'inner')])
      await remove(path);
    await remove(join(attempts, 'x/../../../elsewhere'));
    await remove(join(attempts, 'gone', 'model.bin'));
    expect(removed).toEqual([inside, ofJob]);
    expect([inside, ofJob, join(elsewhere, 'inner'), linked].map((path) => existsSync(path))).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
