import { type ChildProcess, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JournalLimits } from './stream/journal-limits.ts';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from './testing/agent-peer.ts';
import { eventually } from './testing/eventually.ts';
import { SpawnedAgents } from './testing/spawned-agents.ts';

const MIB = 1024 * 1024;
let peer: AgentPeer;
let dataDir: string;
let isMounted = false;
let agent: ChildProcess | undefined;
const agents = new SpawnedAgents();

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dataDir = await mkdtemp(join(tmpdir(), 'trainyard-output-'));
});

afterEach(async () => {
  await agents.killAll();
  await peer.close();
  if (isMounted) execFileSync('/usr/bin/umount', ['--lazy', dataDir]);
  isMounted = false;
  await rm(dataDir, { recursive: true, force: true });
});

async function startAgent(limits: Partial<JournalLimits> = {}): Promise<void> {
  agent = await agents.start({ url: peer.url, dataDir, limits });
}

/** Most memory that the agent ever had, in bytes. */
function peakMemory(): number {
  const status = readFileSync(`/proc/${agent?.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
}

const finished = (attempt: PeerAttempt) => eventually('finish report', () => finishOf(attempt), 60_000);
const logOf = (attempt: PeerAttempt) => streamOf(attempt, 'log').toString();
const outputOf = (attempt: PeerAttempt) => join(dataDir, 'attempts', attempt.spec.attemptId, 'output.log');

test('24: output as fast as a program can write takes bounded memory and disk, blocks nothing, and ends with a mark', async () => {
  await startAgent({ logBytesPerAttempt: 48 * MIB });
  const attempt = peer.submit({
    command: 'yes "a line of output of a noisy program" | head -c 700000000; echo; echo the end',
  });
  const report = await finished(attempt);
  expect(report.outcome).toBe('completed');
  // Most of it is the runtime with the sources: some 120 MiB before the first job.
  expect(peakMemory()).toBeLessThan(300 * MIB);
  const log = logOf(attempt);
  expect(log).toContain('[trainyard] the log has reached its limit of 48 MiB');
  expect(log.endsWith('the end\n')).toBe(true);
  const missing = report.undeliveredBytes?.log ?? 0;
  expect(report.cleanupError).toBe(`${missing.toLocaleString('en')} bytes of the log were not delivered`);
  expect(log).toContain(`[trainyard] ${missing.toLocaleString('en')} bytes are missing here`);
  // The limit cut a line: its end is ours too.
  const ours = 1 + log.match(/^\[trainyard\].*\n/gm)!.join('').length;
  expect(log.length - ours + missing).toBe((await stat(outputOf(attempt))).size);
  // What is left out does not stay on the disk either.
  expect((await stat(outputOf(attempt))).blocks * 512).toBeLessThan(400 * MIB);
});

test('26: the last lines before an exit, a polite stop and a kill are all stored', async () => {
  await startAgent();
  const exits = peer.submit({ command: 'echo first; printf "last without a line end"' });
  await finished(exits);
  expect(logOf(exits)).toBe('first\nlast without a line end');
  const stopped = peer.submit({
    command: 'trap "echo stopping; exit 3" TERM INT; echo up; while :; do sleep 0.02; done',
  });
  await eventually('it is up', () => logOf(stopped).includes('up'), 60_000);
  peer.command(stopped, 'cancel');
  expect((await finished(stopped)).outcome).toBe('cancelled');
  expect(logOf(stopped).endsWith('stopping\n')).toBe(true);
  expect(logOf(stopped)).toBe(await readFile(outputOf(stopped), 'utf8'));
  const killed = peer.submit({
    command: 'trap "" TERM INT; i=0; while :; do echo $i; i=$((i+1)); done',
    graceMs: 300,
  });
  await eventually('it counts', () => logOf(killed).includes('100\n'), 60_000);
  peer.command(killed, 'cancel');
  expect((await finished(killed)).outcome).toBe('cancelled');
  expect(logOf(killed)).toBe(await readFile(outputOf(killed), 'utf8'));
});

test.runIf(process.getuid?.() === 0 && mayMount())(
  '27: a full disk under the attempt leaves its status right, is noted in its log and told beside the status',
  async () => {
    execFileSync('/usr/bin/mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', dataDir]);
    isMounted = true;
    await startAgent();
    peer.outage = 'UNAVAILABLE';
    const attempt = peer.submit({
      command:
        'echo begin; until yes 2>/dev/null | head -c 20000000 2>/dev/null; do sleep 3; break; done; exit 7',
    });
    peer.outage = undefined;
    const report = await finished(attempt);
    expect(report).toMatchObject({ outcome: 'failed', exitCode: 7 });
    expect(report.cleanupError).toContain('was full');
    expect(logOf(attempt).startsWith('begin\n')).toBe(true);
    expect(logOf(attempt)).toContain('is full: output may be missing from here on');
  },
);

/** Containers may not mount, whoever they run as. */
function mayMount(): boolean {
  try {
    execFileSync('/usr/bin/unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}
