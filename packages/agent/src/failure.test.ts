import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Agent, createAgent } from './agent.ts';
import { failureOf } from './attempt/attempt-failure.ts';
import { AgentPeer, finishOf, type PeerAttempt } from './testing/agent-peer.ts';
import { eventually } from './testing/eventually.ts';
import { silentLog } from './testing/silent-log.ts';

let peer: AgentPeer;
let dir: string;
let agent: Agent;

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dir = await mkdtemp(join(tmpdir(), 'trainyard-failure-'));
  agent = createAgent({ url: peer.url, dataDir: join(dir, 'agent'), log: silentLog });
  await agent.start();
});

afterEach(async () => {
  for (const attempt of peer.attempts.values()) peer.command(attempt, 'discard');
  await eventually('end of all jobs', () => agent.held.every(({ pid }) => pid === undefined));
  await agent.stop();
  await peer.close();
  await rm(dir, { recursive: true, force: true });
});

const finished = (attempt: PeerAttempt) => eventually('finish report', () => finishOf(attempt));
const failing = (log: string, more: object = {}) =>
  peer.submit({ command: `cat <<'END'\n${log}\nEND\nexit 1`, ...more });

describe('the class of a failure', () => {
  test.each([
    ['exit 3', 'user_error', 'exit_code'],
    ['kill -9 $$', 'signal', 'signal'],
    ['kill -SEGV $$', 'signal', 'signal'],
    [['no-such-program'], 'launch', 'command_not_found'],
    [['/etc/passwd'], 'launch', 'command_not_executable'],
  ] as const)('of %j is %s (9, 10)', async (command, kind, code) => {
    const job = peer.submit({ command: typeof command === 'string' ? command : [...command] });
    expect(await finished(job)).toMatchObject({
      outcome: 'failed',
      error: { code, class: kind },
      failure: { class: kind },
    });
  });

  test('of a working directory that is not there is launch', async () => {
    const job = peer.submit({ command: 'true', workingDir: '/no/such/place' });
    expect(await finished(job)).toMatchObject({ error: { code: 'working_dir_missing', class: 'launch' } });
  });

  test('is memory of a GPU by what the log says, and is not tried again (48)', async () => {
    const job = failing('step 1\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB');
    const { error, failure } = (await finished(job))!;
    expect(failure).toEqual({ class: 'out_of_memory', label: 'GPU memory', noRetry: true });
    expect(error).toMatchObject({ code: 'exit_code', class: 'out_of_memory', label: 'GPU memory' });
    expect(error!.message).toContain('Tried to allocate 2.00 GiB');
  });

  test('is a fault of the machine by what the log says, and keeps the next try away from it (48)', async () => {
    const job = failing('CUDA error: uncorrectable ECC error encountered');
    expect((await finished(job))!.failure).toEqual({
      class: 'hardware',
      label: 'GPU fault',
      excludeAgent: true,
    });
  });

  test('is what the patterns of the stage say first; without a match it is that of the exit code (48)', async () => {
    const failures = [
      {
        pattern: '(?i)license server (busy|down)',
        class: 'preempted' as const,
        label: 'license',
        noRetry: false,
        excludeAgent: false,
      },
    ];
    const own = failing('CUDA out of memory\nLicense Server BUSY', { failures });
    expect((await finished(own))!.failure).toEqual({ class: 'preempted', label: 'license' });
    const none = failing('nothing known', { failures });
    expect((await finished(none))!.failure).toEqual({ class: 'user_error' });
  });

  test('is found at the end of a long log, and a success has none', async () => {
    const long = peer.submit({
      command: 'head -c 3000000 /dev/zero | tr "\\0" "x" | fold -w 100; echo "CUDA out of memory"; exit 1',
    });
    expect((await finished(long))!.failure).toMatchObject({ class: 'out_of_memory' });
    const well = peer.submit({ command: 'echo CUDA out of memory' });
    const end = (await finished(well))!;
    expect([end.outcome, end.failure]).toEqual(['completed', undefined]);
  });
});

const MEMORY = `/sys/fs/cgroup/memory/trainyard-test-${process.pid}`;
const canLimitMemory = (() => {
  try {
    mkdirSync(MEMORY);
    writeFileSync(`${MEMORY}/memory.limit_in_bytes`, '30M');
    rmdirSync(MEMORY);
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!canLimitMemory)(
  'a program that the kernel ends for lack of memory is told from one that somebody kills (9)',
  async () => {
    mkdirSync(MEMORY);
    try {
      writeFileSync(`${MEMORY}/memory.limit_in_bytes`, '30M');
      const hungry = `echo $$ > ${MEMORY}/cgroup.procs; exec python3 -c 'x = bytearray(300 << 20)'`;
      const job = peer.submit({ command: hungry });
      expect(await finished(job)).toMatchObject({
        outcome: 'failed',
        signal: 'SIGKILL',
        error: { code: 'out_of_memory', class: 'out_of_memory' },
      });
    } finally {
      rmdirSync(MEMORY);
    }
  },
);

test('memory of the machine: killed, and the kernel says why', () => {
  const error = { code: 'signal', message: 'ended by SIGKILL (exit code 137)\nlast line' };
  const outcome = { outcome: 'failed', signal: 'SIGKILL', error } as const;
  const facts = { outcome, pattern: undefined };
  expect(failureOf({ ...facts, ranOutOfMemory: true })!.error).toEqual({
    code: 'out_of_memory',
    class: 'out_of_memory',
    message: 'ended by the kernel, because memory ran out (exit code 137)\nlast line',
  });
  expect(failureOf({ ...facts, ranOutOfMemory: false })!.failure).toEqual({ class: 'signal' });
});

describe('a program without progress', () => {
  test('is ended when it has a stallTimeout, with the end of its log', async () => {
    const job = peer.submit({ command: 'echo loading; sleep 300', stallMs: 700, graceMs: 500 });
    const end = (await finished(job))!;
    expect(end).toMatchObject({ outcome: 'failed', error: { code: 'stalled', class: 'timeout' } });
    expect(end.error!.message).toContain('no output, metrics or progress for 0.7 s');
    expect(end.error!.message).toContain('loading');
  });

  test('is not, while it writes metrics only', async () => {
    const job = peer.submit({
      command:
        'for i in 1 2 3 4 5 6 7 8; do sleep 0.3; echo "{\\"step\\":$i,\\"loss\\":1}" >> "$PLATFORM_METRICS_DIR/$TRAINYARD_RUN_ID"_metrics.jsonl; done',
      stallMs: 1200,
    });
    expect(await finished(job)).toMatchObject({ outcome: 'completed' });
  });
});
