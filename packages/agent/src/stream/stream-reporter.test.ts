import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, open, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAgentClient } from '@trainyard/client';
import { AGENT_PROTOCOL } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServerContact } from '../link/server-contact.ts';
import { AgentPeer, type PeerAttempt, streamOf } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { AppendGate } from './append-gate.ts';
import { FileSource } from './file-source.ts';
import { DEFAULT_JOURNAL_LIMITS, type JournalLimits } from './journal-limits.ts';
import { type StreamPosition, streamPosition } from './stream-layout.ts';
import { StreamReporter } from './stream-reporter.ts';

let peer: AgentPeer;
let dir: string;
let path: string;
let attempt: PeerAttempt;
let fenced = 0;
let debugLines = 0;
const countDebugLine = () => {
  debugLines += 1;
};
const stop = new AbortController().signal;

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dir = await mkdtemp(join(tmpdir(), 'trainyard-stream-'));
  path = join(dir, 'output.log');
  attempt = peer.submit({ command: 'none' });
  fenced = 0;
  debugLines = 0;
});

afterEach(async () => {
  await peer.close();
  await rm(dir, { recursive: true, force: true });
});

function report(
  from: { sent: number; base: number } = { sent: 0, base: 0 },
  options: { limits?: Partial<JournalLimits>; flushDeadlineMs?: number } = {},
) {
  const saved: StreamPosition[] = [];
  const contact = new ServerContact();
  const reporter = new StreamReporter({
    client: createAgentClient({ url: peer.url, timeoutMs: 5000, onCall: (isThere) => contact.note(isThere) }),
    contact,
    log: { ...silentLog, debug: countDebugLine },
    attemptId: attempt.spec.attemptId,
    token: attempt.token,
    epoch: 1,
    stream: 'log',
    source: new FileSource(path),
    position: streamPosition.parse(from),
    limits: { ...DEFAULT_JOURNAL_LIMITS, ...options.limits },
    gate: new AppendGate(4),
    flushDeadlineMs: options.flushDeadlineMs ?? 60_000,
    savePosition: async (next) => {
      saved.push(next);
    },
    onFenced: () => {
      fenced += 1;
    },
  });
  return { reporter, saved, done: reporter.run(stop) };
}

const stored = () => streamOf(attempt, 'log');
const arrives = (bytes: number) => eventually(`${bytes} bytes`, () => attempt.sizes.log === bytes);

test('delivers invalid UTF-8, split characters, carriage returns and a partial last line as they are', async () => {
  const bytes = Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x0d, 0x31, 0x30, 0x25, 0x0d, 0xe2, 0x82]);
  const { reporter, done } = report();
  await writeFile(path, bytes);
  await arrives(bytes.length);
  await appendFile(path, Buffer.from([0xac, 0x6e, 0x6f]));
  reporter.finish();
  await done;
  expect(stored()).toEqual(Buffer.concat([bytes, Buffer.from([0xac, 0x6e, 0x6f])]));
});

test('delivers a line of 50 MB with bounded memory', async () => {
  const block = Buffer.alloc(1024 * 1024, 'x');
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  for (let i = 0; i < 50; i += 1) {
    block[i] = 48 + (i % 10);
    hash.update(block);
    await file.write(block);
  }
  await file.close();
  const { reporter, done } = report();
  reporter.finish();
  await done;
  expect(attempt.sizes.log).toBe(50 * 1024 * 1024);
  expect(createHash('sha256').update(stored()).digest('hex')).toBe(hash.digest('hex'));
  expect(Math.max(...attempt.streams.log.map((chunk) => chunk.length))).toBeLessThanOrEqual(
    AGENT_PROTOCOL.maxAppendBytes,
  );
});

test('waits for a file that does not exist yet, and ends when it never comes', async () => {
  const first = report();
  await writeFile(path, 'late');
  await arrives(4);
  first.reporter.finish();
  await first.done;
  await rm(path);
  const second = report();
  second.reporter.finish();
  await second.done;
});

test('delivers what was written up to the moment of finish', async () => {
  for (let round = 0; round < 20; round += 1) {
    const { reporter, done } = report({ sent: attempt.sizes.log, base: attempt.sizes.log });
    await writeFile(path, `round ${round}\n`);
    reporter.finish();
    await done;
  }
  expect(stored().toString()).toBe(Array.from({ length: 20 }, (_, i) => `round ${i}\n`).join(''));
});

test('goes back when the server has less and skips what it has already', async () => {
  await writeFile(path, '0123456789');
  const ahead = report({ sent: 7, base: 0 });
  await arrives(10);
  ahead.reporter.finish();
  await ahead.done;
  const behind = report({ sent: 3, base: 0 });
  behind.reporter.finish();
  await behind.done;
  expect(stored().toString()).toBe('0123456789');
  expect(behind.saved.at(-1)).toMatchObject({ sent: 10, segments: [{ base: 0 }] });
});

test('appends the new content of a truncated and of a replaced file', async () => {
  const { reporter, saved, done } = report();
  await writeFile(path, 'one two three\n');
  await arrives(14);
  await truncate(path, 0);
  await appendFile(path, 'four\n');
  await arrives(19);
  await writeFile(join(dir, 'new'), 'five six seven eight nine\n');
  await rename(join(dir, 'new'), path);
  await arrives(45);
  reporter.finish();
  await done;
  expect(stored().toString()).toBe('one two three\nfour\nfive six seven eight nine\n');
  expect(saved.at(-1)).toMatchObject({ sent: 45, segments: [{ base: 19 }] });
});

test('delivers everything once after the server was away', async () => {
  const { reporter, done } = report();
  await writeFile(path, 'before\n');
  await arrives(7);
  peer.outage = 'UNAVAILABLE';
  await appendFile(path, 'during\n'.repeat(100_000));
  await peer.close();
  await peer.listen();
  peer.outage = undefined;
  reporter.finish();
  await done;
  expect(stored().toString()).toBe(`before\n${'during\n'.repeat(100_000)}`);
});

test('stops when the attempt is fenced', async () => {
  attempt.fenced = true;
  const { done } = report();
  await writeFile(path, 'text');
  await done;
  expect(fenced).toBe(1);
});

test('sends smaller pieces to a server that finds them too large', async () => {
  peer.maxAppendBytes = 10_000;
  await writeFile(path, 'y'.repeat(100_000));
  const { reporter, done } = report();
  reporter.finish();
  await done;
  expect(stored().toString()).toBe('y'.repeat(100_000));
});

test('counts the bytes of a stream that the server refuses for good', async () => {
  peer.maxAppendBytes = 0;
  await writeFile(path, 'z'.repeat(9000));
  const { reporter, done } = report();
  reporter.finish();
  await done;
  expect(reporter.undeliveredBytes).toBe(9000);
});

const text = () => stored().toString();
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `line ${String(from + i).padStart(6, '0')}\n`).join('');

test('leaves out what the server refuses, counts it and says so in the log', async () => {
  peer.refuses = (bytes) => bytes.includes('line 000500');
  await writeFile(path, numbered(0, 600));
  const { reporter, done } = report();
  await eventually('the refused piece', () => text().includes('are missing here'));
  await appendFile(path, numbered(600, 601));
  reporter.finish();
  await done;
  expect(text()).toBe(
    '[trainyard] 7,200 bytes are missing here: the server refused them (refused by the test)\nline 000600\n',
  );
  expect(reporter.undeliveredBytes).toBe(7200);
});

test('sends a piece again after three answers of 500, and waits as long as Retry-After says', async () => {
  let failures = 3;
  peer.failNextAppends = () => {
    failures -= 1;
    return failures < 0 ? undefined : { status: failures === 0 ? 429 : 500, retryAfterSeconds: 1 };
  };
  await writeFile(path, 'text');
  const startedAt = performance.now();
  const { reporter, done } = report();
  reporter.finish();
  await done;
  expect(text()).toBe('text');
  expect(performance.now() - startedAt).toBeGreaterThan(3000);
});

test.each(['UNAUTHENTICATED', 'FORBIDDEN', 'ATTEMPT_FENCED'] as const)(
  'ends a stream that is answered with %s, but not for a login page of a proxy',
  async (code) => {
    await writeFile(path, 'text');
    peer.foreignStatus = 401;
    const { done } = report();
    await eventually('a try', () => peer.foreignAnswers > 0);
    expect(fenced).toBe(0);
    peer.outage = code;
    peer.foreignStatus = undefined;
    await done;
    expect(fenced).toBe(1);
  },
);

test('gives up after the flush deadline when the server answers but takes nothing, and counts the rest', async () => {
  await writeFile(path, 'x'.repeat(5000));
  peer.outage = 'UNAVAILABLE';
  const { reporter, done } = report(undefined, { flushDeadlineMs: 300 });
  reporter.finish();
  await done;
  expect(reporter.undeliveredBytes).toBe(5000);
});

test('never gives up while the server cannot be reached', async () => {
  await writeFile(path, 'x'.repeat(5000));
  await peer.close();
  const { reporter, done } = report(undefined, { flushDeadlineMs: 0 });
  reporter.finish();
  await eventually('three tries', () => debugLines >= 3);
  await peer.listen();
  await done;
  expect([text().length, reporter.undeliveredBytes]).toEqual([5000, 0]);
});

test('keeps the newest bytes when too many wait, with a note where the others were', async () => {
  const { reporter, done } = report();
  await writeFile(path, numbered(0, 100));
  await arrives(1200);
  peer.outage = 'UNAVAILABLE';
  await appendFile(path, numbered(100, 600_000));
  await eventually('a failed try', () => peer.refused > 0);
  await reporter.journal.measure();
  const before = await stat(path);
  await reporter.journal.dropOldest(12_000, { kind: 'waiting_limit', limitBytes: 12_000 });
  await reporter.journal.dropOldest(12_000, { kind: 'waiting_limit', limitBytes: 12_000 });
  expect((await stat(path)).blocks).toBeLessThan(before.blocks);
  peer.outage = undefined;
  reporter.finish();
  await done;
  // What may have been on its way is kept, then the note, then the newest.
  const [kept, gap, newest] = text().split(/(\n?\[trainyard\].*\n)/);
  expect(gap).toMatch(
    /^\n?\[trainyard\] [\d,]+ bytes are missing here: while the server was away more than 11\.7 KiB/,
  );
  expect(numbered(0, 600_000).startsWith(kept!)).toBe(true);
  expect(newest).toBe(numbered(599_000, 600_000));
  // The note begins with the end of a line that was cut, and only then.
  const whole = kept!.length % 12 === 11 ? 1 : 0;
  expect(kept!.length + whole + newest!.length + reporter.undeliveredBytes).toBe(600_000 * 12);
});

test('stops at the limit of a log with a note, and sends its last lines at the end', async () => {
  const { reporter, done } = report(undefined, { limits: { logBytesPerAttempt: 12_000 } });
  await writeFile(path, numbered(0, 50_000));
  await eventually('the limit', () => text().includes('has reached its limit of 11.7 KiB'));
  await appendFile(path, numbered(50_000, 50_001));
  reporter.finish();
  await done;
  const [head, cap, , gap, tail] = text().split(/(\[trainyard\].*\n)/);
  expect(head).toBe(numbered(0, 1000));
  expect(cap).toContain('what follows is left out, except for the last lines');
  expect(tail!.endsWith('line 050000\n')).toBe(true);
  expect(tail!.startsWith('line ')).toBe(true);
  expect(gap).toContain(`${reporter.undeliveredBytes.toLocaleString('en')} bytes are missing here`);
  expect(head!.length + tail!.length + reporter.undeliveredBytes).toBe(50_001 * 12);
});

test('removes delivered output from the disk, without a change in what is sent', async () => {
  const { reporter, done } = report(undefined, { limits: { keptBytesPerStream: 1024 * 1024 } });
  const block = Buffer.alloc(1024 * 1024);
  const hash = createHash('sha256');
  const file = await open(path, 'a');
  for (let i = 0; i < 150; i += 1) {
    block.fill(`block ${i}\n`);
    hash.update(block);
    await file.write(block);
  }
  await file.close();
  await arrives(150 * 1024 * 1024);
  reporter.finish();
  await done;
  expect(createHash('sha256').update(stored()).digest('hex')).toBe(hash.digest('hex'));
  expect((await stat(path)).blocks * 512).toBeLessThan(90 * 1024 * 1024);
});

test('goes on right after what an older run of the agent had sent but not written down', async () => {
  await writeFile(path, numbered(0, 1000));
  const first = report();
  await arrives(12_000);
  first.reporter.finish();
  await first.done;
  // The agent was killed before it wrote a position; the program has truncated its file since.
  await writeFile(path, 'new\n');
  const second = report({ sent: 6000, base: 0 });
  second.reporter.finish();
  await second.done;
  expect(text()).toBe(`${numbered(0, 1000)}new\n`);
});
