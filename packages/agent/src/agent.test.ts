import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Agent, createAgent } from './agent.ts';
import type { AgentOptions } from './agent-options.ts';
import { noopExecutor } from './local/noop-executor.ts';
import { listProcesses } from './local/process-table.ts';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from './testing/agent-peer.ts';
import { eventually } from './testing/eventually.ts';
import { silentLog } from './testing/silent-log.ts';

let peer: AgentPeer;
let dataDir: string;
const agents: Agent[] = [];

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dataDir = await mkdtemp(join(tmpdir(), 'trainyard-agent-'));
});

afterEach(async () => {
  // What a test left running is ended by its agent, the only one who knows it.
  peer.outage = undefined;
  for (const attempt of peer.attempts.values()) peer.command(attempt, 'discard');
  for (const agent of agents.splice(0)) {
    await eventually('end of all jobs', () => agent.held.every(({ pid }) => pid === undefined));
    await agent.stop();
  }
  await peer.close();
  await rm(dataDir, { recursive: true, force: true });
});

async function startAgent(options: Partial<AgentOptions> = {}): Promise<Agent> {
  const agent = newAgent(options);
  await agent.start();
  return agent;
}

function newAgent(options: Partial<AgentOptions> = {}): Agent {
  const timing = { retryMaxMs: 200, ...options.timing };
  const agent = createAgent({ url: peer.url, dataDir, log: silentLog, ...options, timing });
  agents.push(agent);
  return agent;
}

const finished = (attempt: PeerAttempt) => eventually('finish report', () => finishOf(attempt));
const logOf = (attempt: PeerAttempt) => streamOf(attempt, 'log').toString();
const logHas = (attempt: PeerAttempt, text: string) =>
  eventually(`"${text}" in the log`, () => logOf(attempt).includes(text));
const dirOf = (attempt: PeerAttempt) => join(dataDir, 'attempts', attempt.spec.attemptId);
const stateOf = async (attempt: PeerAttempt) =>
  JSON.parse(await readFile(join(dirOf(attempt), 'agent-state.json'), 'utf8')) as { phase: string };
const aliveOf = async (attempt: PeerAttempt) =>
  (await listProcesses()).filter(({ attemptId }) => attemptId === attempt.spec.attemptId).length;

describe('a job', () => {
  test('runs, delivers its output and metrics, and reports its outputs', async () => {
    await startAgent();
    const job = peer.submit({
      params: { lr: 0.1 },
      command: `echo hello; echo warning >&2; cat "$TRAINYARD_PARAMS"
        echo '{"step":0,"loss":1}' >> "$PLATFORM_METRICS_DIR"/"$TRAINYARD_RUN_ID"_metrics.jsonl
        echo '{"accuracy":0.9}' > "$TRAINYARD_OUTPUTS"`,
    });
    const finish = await finished(job);
    expect(finish).toMatchObject({ outcome: 'completed', exitCode: 0, signal: null, error: null });
    expect(finish).toMatchObject({ cleanupError: null, outputs: { accuracy: 0.9 }, undeliveredBytes: {} });
    expect(logOf(job)).toBe('hello\nwarning\n{"lr":0.1}');
    expect(streamOf(job, 'metrics').toString()).toBe('{"step":0,"loss":1}\n');
    expect(job.reports.map(({ kind }) => kind)).toEqual(['started', 'finished']);
    await eventually('phase', async () => (await stateOf(job)).phase === 'reported');
    await eventually('not held', async () => (await readdir(join(dataDir, 'held'))).length === 0);
  });

  test('reports exit code and last lines of a failure', async () => {
    await startAgent();
    const job = peer.submit({ command: 'for i in 1 2 3 4 5 6 7; do echo line $i; done; exit 3' });
    expect(await finished(job)).toMatchObject({
      outcome: 'failed',
      exitCode: 3,
      error: { code: 'exit_code', message: 'exit code 3\nline 3\nline 4\nline 5\nline 6\nline 7' },
    });
  });

  test('reports signal, missing program and missing working directory in words', async () => {
    await startAgent({ slots: 4 });
    const killed = peer.submit({ command: 'kill -SEGV $$' });
    const missing = peer.submit({ command: ['no-such-program'] });
    const nowhere = peer.submit({ command: 'true', workingDir: '/no/such/dir' });
    const executor = peer.submit({ command: 'true', executor: 'mainframe' });
    expect(await finished(killed)).toMatchObject({ signal: 'SIGSEGV', error: { code: 'signal' } });
    expect((await finished(missing)).error?.message).toContain('command not found: no-such-program');
    expect((await finished(nowhere)).error?.message).toContain('/no/such/dir does not exist');
    expect((await finished(executor)).error?.message).toContain('"mainframe"');
  });

  test('reports progress from its status file', async () => {
    await startAgent();
    const job = peer.submit({
      command: `echo '{"current_step":1,"total_steps":2}' > "$PLATFORM_METRICS_DIR"/"$TRAINYARD_RUN_ID"_status.json; sleep 1
        echo '{"current_step":2,"total_steps":2}' > "$PLATFORM_METRICS_DIR"/"$TRAINYARD_RUN_ID"_status.json`,
    });
    await finished(job);
    const progress = job.reports
      .filter((report) => report.kind === 'progress')
      .map((report) => report.progress);
    expect(progress).toEqual([
      { current_step: 1, total_steps: 2 },
      { current_step: 2, total_steps: 2 },
    ]);
  });

  test('records datasets with hash and size, and fails when a recorded file is missing', async () => {
    await startAgent();
    const good = peer.submit({
      workingDir: dataDir,
      command: `printf abc > data.txt; echo '{"name":"d","path":"data.txt","rows":1}' > "$TRAINYARD_ATTEMPT_DIR/datasets.jsonl"`,
    });
    expect((await finished(good)).datasets).toEqual([
      {
        name: 'd',
        path: join(dataDir, 'data.txt'),
        role: 'output',
        rows: 1,
        sizeBytes: 3,
        sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      },
    ]);
    const bad = peer.submit({
      command: `echo '{"name":"d","path":"/no/such/file"}' > "$TRAINYARD_ATTEMPT_DIR/datasets.jsonl"`,
    });
    expect(await finished(bad)).toMatchObject({
      outcome: 'failed',
      exitCode: 0,
      error: {
        code: 'dataset_missing',
        message: 'datasets.jsonl line 1: the file /no/such/file does not exist',
      },
    });
  });

  test.each([
    ['[1, {"a": 2}]', { value: [1, { a: 2 }] }],
    ['0.97', { value: 0.97 }],
    ['null', { value: null }],
    ['"text"', { value: 'text' }],
    ['{"value": [1]}', { value: [1] }],
    ['{"constructor": {"prototype": 1}}', { constructor: { prototype: 1 } }],
    ['\n', null],
  ])('hands on %s as its outputs, under "value" when it is no object', async (text, outputs) => {
    await startAgent();
    const path = join(dataDir, 'text');
    writeFileSync(path, text);
    const job = peer.submit({ command: ['sh', '-c', 'cp "$0" "$TRAINYARD_OUTPUTS"', path] });
    expect(await finished(job)).toMatchObject({ outcome: 'completed', outputs });
  });

  test.each([
    ['{"a": [{"__proto__": 1}]}', '"__proto__"'],
    ['{"\\u005f_proto__": 1}', '"__proto__"'],
    [`${'['.repeat(600)}${']'.repeat(600)}`, 'deeper than 150 levels'],
    ['{"a": [12345678901234567890]}', 'has 12345678901234567890 under "0", which is a whole number beyond'],
    ['1e400', 'has 1e400, which is too large'],
  ])('names what its outputs may not have, and keeps its exit code (%#)', async (text, named) => {
    await startAgent();
    const path = join(dataDir, 'text');
    writeFileSync(path, text);
    const end = await finished(peer.submit({ command: ['sh', '-c', 'cp "$0" "$TRAINYARD_OUTPUTS"', path] }));
    expect(end).toMatchObject({ outcome: 'failed', exitCode: 0, error: { code: 'invalid_outputs' } });
    expect(end.error?.message).toContain(named);
  });

  test.each([['{"a":'], ['1 2'], [`{"a":"${'x'.repeat(1024 * 1024)}"}`]])(
    'fails when its outputs are not one small JSON value (%#)',
    async (text) => {
      await startAgent();
      const path = join(dataDir, 'text');
      writeFileSync(path, text);
      const job = peer.submit({ command: ['sh', '-c', 'cp "$0" "$TRAINYARD_OUTPUTS"', path] });
      expect(await finished(job)).toMatchObject({ outcome: 'failed', error: { code: 'invalid_outputs' } });
    },
  );

  test('does not see the token, which is on disk in the state file only', async () => {
    await startAgent({
      token: 'agent-secret',
      env: { ...process.env, TRAINYARD_TOKEN: 'agent-secret', DATABASE_URL: 'agent-secret' },
    });
    const job = peer.submit({
      command: 'env; tr "\\0" "\\n" < /proc/self/cmdline; ps -axww -o command; sleep 0.2',
    });
    await finished(job);
    expect(logOf(job)).toContain(`TRAINYARD_ATTEMPT_ID=${job.spec.attemptId}`);
    expect(logOf(job)).not.toContain(job.token);
    expect(logOf(job)).not.toContain('agent-secret');
    await eventually('the last state is written', async () => (await stateOf(job)).phase === 'reported');
    for (const name of await readdir(dirOf(job), { recursive: true })) {
      const path = join(dirOf(job), name);
      if ((await stat(path)).isDirectory()) continue;
      const text = await readFile(path, 'utf8');
      expect([name, text.includes(job.token)]).toEqual([name, false]);
    }
    expect((await stat(join(dirOf(job), 'agent-state.json'))).mode & 0o777).toBe(0o600);
  });

  test('is swept when it leaves background children, before it is reported', async () => {
    await startAgent();
    const job = peer.submit({ command: 'setsid sleep 60 & sleep 60 & echo done' });
    expect(await finished(job)).toMatchObject({ outcome: 'completed', cleanupError: null });
    expect(await aliveOf(job)).toBe(0);
  });
});

describe('cancel', () => {
  test('ends the program politely and reports it as cancelled', async () => {
    const agent = await startAgent();
    const job = peer.submit({
      command: 'trap "echo bye; exit 0" TERM; echo ready; while :; do sleep 0.05; done',
    });
    await logHas(job, 'ready');
    peer.command(job, 'cancel');
    expect(await finished(job)).toMatchObject({ outcome: 'cancelled', exitCode: 0, error: null });
    expect(logOf(job)).toContain('bye');
    await eventually('nothing held', () => agent.held.length === 0);
  });

  test('kills a program that ignores it, with what left its session (2)', async () => {
    await startAgent();
    const job = peer.submit({
      graceMs: 300,
      command:
        'trap "" TERM INT; setsid sh -c "trap \'\' TERM; sleep 60; sleep 60" & echo ready; while :; do sleep 0.05; done',
    });
    await logHas(job, 'ready');
    peer.command(job, 'cancel');
    expect(await finished(job)).toMatchObject({
      outcome: 'cancelled',
      signal: 'SIGKILL',
      cleanupError: null,
    });
    expect(await aliveOf(job)).toBe(0);
  });

  test('of a job that waits for a slot never starts it (4)', async () => {
    peer.overassign = 1;
    await startAgent({ slots: 1 });
    const first = peer.submit({ command: 'echo ready; sleep 60' });
    const second = peer.submit({ command: 'echo never' });
    await logHas(first, 'ready');
    await eventually('both assigned', async () => (await readdir(join(dataDir, 'attempts'))).length === 2);
    peer.command(second, 'cancel');
    expect(await finished(second)).toMatchObject({ outcome: 'cancelled', exitCode: null });
    expect(second.reports.map(({ kind }) => kind)).toEqual(['finished']);
    expect(await readdir(dirOf(second))).not.toContain('output.log');
  });

  test('that crosses the natural end changes nothing (6)', async () => {
    await startAgent();
    const job = peer.submit({ command: 'exit 0' });
    peer.command(job, 'cancel');
    await finished(job);
    expect(job.reports.filter(({ kind }) => kind === 'finished')).toHaveLength(1);
  });

  test('by discard kills at once and reports nothing', async () => {
    const agent = await startAgent();
    const job = peer.submit({
      graceMs: 60_000,
      command: 'trap "" TERM; echo ready; while :; do sleep 0.05; done',
    });
    await logHas(job, 'ready');
    peer.command(job, 'discard');
    await eventually('nothing held', () => agent.held.length === 0);
    expect(await aliveOf(job)).toBe(0);
    expect(finishOf(job)).toBeUndefined();
    expect((await stateOf(job)).phase).toBe('discarded');
  });

  test('by a fenced report kills the program', async () => {
    const agent = await startAgent();
    const job = peer.submit({ command: 'while :; do echo tick; sleep 0.05; done' });
    await logHas(job, 'tick');
    job.fenced = true;
    await eventually('nothing held', () => agent.held.length === 0);
    expect(await aliveOf(job)).toBe(0);
  });
});

describe('slots', () => {
  test('are never exceeded, also when the server assigns more', async () => {
    peer.overassign = 2;
    const agent = await startAgent({ slots: 2 });
    const spans = join(dataDir, 'spans');
    mkdirSync(spans);
    const command = ['sh', '-c', 'touch "$0/$$"; ls "$0" | wc -l; sleep 0.3; rm "$0/$$"', spans];
    const jobs = Array.from({ length: 7 }, () => peer.submit({ command }));
    for (const job of jobs) {
      expect((await finished(job)).outcome).toBe('completed');
      expect(Number(logOf(job))).toBeLessThanOrEqual(2);
    }
    await eventually('nothing held', () => agent.held.length === 0);
  });

  test('give each GPU to one job at a time and hide the others', async () => {
    await startAgent({ slots: 4, gpus: 3, env: { ...process.env, CUDA_VISIBLE_DEVICES: '4,5,7' } });
    const command = 'echo "[$CUDA_VISIBLE_DEVICES]"; sleep 0.5';
    const two = peer.submit({ command, gpus: 2, env: { CUDA_VISIBLE_DEVICES: '0,1,2' } });
    const one = peer.submit({ command, gpus: 1 });
    const none = peer.submit({ command });
    const many = peer.submit({ command, gpus: 4 });
    for (const job of [two, one, none, many]) await finished(job);
    const ids = [...logOf(two).matchAll(/\d/g), ...logOf(one).matchAll(/\d/g)].map(String);
    expect(ids.sort()).toEqual(['4', '5', '7']);
    expect(logOf(none)).toBe('[]\n');
    expect(finishOf(many)?.error?.message).toBe('the job needs 4 GPUs; this agent has 3');
  });

  test('take many attempts of the no-op executor, which has no files', async () => {
    await startAgent({ executors: { noop: noopExecutor }, slots: 10 });
    const jobs = Array.from({ length: 100 }, () => peer.submit({ command: 'none', executor: 'noop' }));
    for (const job of jobs) expect((await finished(job)).outcome).toBe('completed');
    expect(await readdir(join(dataDir, 'attempts'))).toEqual([]);
    expect(await readdir(join(dataDir, 'held'))).toEqual([]);
  });
});

describe('the server', () => {
  test('may be away when the agent starts', async () => {
    await peer.close();
    const agent = newAgent();
    const starting = agent.start();
    await peer.listen();
    await starting;
    expect(agent.id).toMatch(/^agt_/);
  });

  test('may lose the answer to a claim: the attempt comes again and runs once (19)', async () => {
    peer.loseClaimAnswers = 3;
    await startAgent();
    const job = peer.submit({ command: 'echo once' });
    expect((await finished(job)).outcome).toBe('completed');
    expect(logOf(job)).toBe('once\n');
    expect(peer.loseClaimAnswers).toBe(0);
  });

  test('may answer 503 for a while: every byte arrives once and in order', async () => {
    await startAgent();
    const job = peer.submit({
      command: 'i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; sleep 0.5; echo end',
    });
    await logHas(job, 'line 0\n');
    peer.outage = 'UNAVAILABLE';
    await eventually('the program has ended', async () => (await readdir(dirOf(job))).includes('exit.json'));
    peer.outage = undefined;
    expect((await finished(job)).outcome).toBe('completed');
    expect(logOf(job)).toBe(await readFile(join(dirOf(job), 'output.log'), 'utf8'));
    expect(logOf(job).split('\n')).toHaveLength(2002);
  });

  test('is asked again for work as soon as a slot is free, though a claim without one is waiting', async () => {
    await startAgent({ slots: 1 });
    const jobs = Array.from({ length: 3 }, () => peer.submit({ command: 'true' }));
    const before = performance.now();
    for (const job of jobs) await finished(job);
    expect(performance.now() - before).toBeLessThan(15_000);
  });
});

describe('partition', () => {
  const timing = { lostGraceMs: 1500, requestTimeoutMs: 500, claimWaitMs: 200 };

  test('ends the program before the server may start the next attempt (17)', async () => {
    // Most of the time until the loss is reserve: only a machine that does nothing for seconds uses it up.
    const lostGraceMs = 6000;
    peer.leaseMs = 500;
    const agent = await startAgent({ timing: { ...timing, lostGraceMs } });
    const marks = join(dataDir, 'marks');
    const job = peer.submit({
      graceMs: 200,
      command: `trap "" TERM; echo ready; while :; do date +%s%3N >> '${marks}'; sleep 0.05; done`,
    });
    await logHas(job, 'ready');
    await peer.close();
    const mayBeGivenAwayAt = peer.renewedAt + peer.leaseMs + lostGraceMs;
    await eventually('the program is gone', () => agent.held.every(({ pid }) => pid === undefined));
    expect(await aliveOf(job)).toBe(0);
    // By its own account: when this test sees that it is gone says nothing about when it went.
    const lastSignOfLifeAt = Number((await readFile(marks, 'utf8')).trimEnd().split('\n').at(-1));
    expect(lastSignOfLifeAt).toBeGreaterThan(mayBeGivenAwayAt - lostGraceMs);
    expect(lastSignOfLifeAt).toBeLessThan(mayBeGivenAwayAt);
    expect(await readFile(join(dirOf(job), 'output.log'), 'utf8')).toContain('ready');
    await peer.listen();
    expect(await finished(job)).toMatchObject({ outcome: 'failed', error: { code: 'partitioned' } });
  });

  test('is no reason to end a program while the only server of an embedded database is down (38)', async () => {
    peer.leaseMs = 500;
    peer.database = 'embedded';
    const agent = await startAgent({ timing: { ...timing, lostGraceMs: 500 } });
    const job = peer.submit({ graceMs: 100, command: 'echo ready; sleep 4; echo end' });
    await logHas(job, 'ready');
    await peer.close();
    const exit = join(dirOf(job), 'exit.json');
    await eventually('the program ended by itself', () => stat(exit).catch(() => undefined));
    expect(agent.held).toHaveLength(1);
    await peer.listen();
    expect(await finished(job)).toMatchObject({ outcome: 'completed' });
    expect(logOf(job)).toBe('ready\nend\n');
  });
});

describe('stop and start', () => {
  test('says of a directory that cannot be made what is wrong with it', async () => {
    const file = join(dataDir, 'file');
    writeFileSync(file, '');
    await expect(newAgent({ dataDir: file }).start()).rejects.toMatchObject({ code: 'USAGE' });
    await expect(newAgent({ dataDir: `${file}/x` }).start()).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('keeps the id, refuses a second agent in the directory and takes it over after the first', async () => {
    const first = await startAgent();
    await expect(newAgent().start()).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
    await first.stop();
    const second = await startAgent();
    expect(second.id).toBe(first.id);
    expect(peer.registrations[1]?.agentId).toBe(first.id);
  });

  test('leaves programs running and adopts them with output and exit code', async () => {
    const first = await startAgent();
    const job = peer.submit({ command: 'echo one; sleep 1; echo two; exit 5' });
    await logHas(job, 'one');
    const [held] = first.held;
    await first.stop();
    const second = await startAgent();
    expect(second.held[0]?.pid).toBe(held?.pid);
    expect(await finished(job)).toMatchObject({ outcome: 'failed', exitCode: 5 });
    expect(logOf(job)).toBe('one\ntwo\n');
  });

  test('goes on with a cancel that it was in the middle of (7)', async () => {
    const first = await startAgent();
    const job = peer.submit({
      graceMs: 1000,
      command: 'trap "echo term" TERM; echo ready; while :; do sleep 0.05; done',
    });
    await logHas(job, 'ready');
    peer.command(job, 'cancel');
    await logHas(job, 'term');
    await first.stop();
    await startAgent();
    expect(await finished(job)).toMatchObject({ outcome: 'cancelled', signal: 'SIGKILL' });
  });

  test('starts what was claimed but not started only when the server still wants it', async () => {
    peer.overassign = 2;
    const first = await startAgent({ slots: 1 });
    const running = peer.submit({ command: 'echo ready; sleep 1' });
    const wanted = peer.submit({ command: 'echo wanted' });
    const unwanted = peer.submit({ command: 'echo unwanted' });
    await logHas(running, 'ready');
    await eventually('all assigned', () => first.held.length === 3);
    await first.stop();
    unwanted.fenced = true;
    await startAgent({ slots: 1 });
    expect(await finished(wanted)).toMatchObject({ outcome: 'completed' });
    await eventually('phase', async () => (await stateOf(unwanted)).phase === 'discarded');
    expect(await readdir(dirOf(unwanted))).not.toContain('output.log');
  });

  test('drains: takes no new work and waits for what it holds', async () => {
    const agent = await startAgent();
    const job = peer.submit({ command: 'echo ready; sleep 0.5' });
    await logHas(job, 'ready');
    const draining = agent.drain();
    await eventually('a claim without slots', () => peer.lastFree === 0);
    const late = peer.submit({ command: 'true' });
    await draining;
    expect(finishOf(job)?.outcome).toBe('completed');
    expect(late.reports).toEqual([]);
    expect(agent.held).toEqual([]);
  });
});
