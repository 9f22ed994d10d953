import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, open, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAgentClient } from '@trainyard/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StreamPosition } from './attempt-state.ts';
import { FileSource } from './file-source.ts';
import { StreamReporter } from './stream-reporter.ts';
import { AgentPeer, type PeerAttempt, streamOf } from './testing/agent-peer.ts';
import { eventually } from './testing/eventually.ts';
import { silentLog } from './testing/silent-log.ts';

let peer: AgentPeer;
let dir: string;
let path: string;
let attempt: PeerAttempt;
let fenced = 0;
const stop = new AbortController().signal;

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dir = await mkdtemp(join(tmpdir(), 'trainyard-stream-'));
  path = join(dir, 'output.log');
  attempt = peer.submit({ command: 'none' });
  fenced = 0;
});

afterEach(async () => {
  await peer.close();
  await rm(dir, { recursive: true, force: true });
});

function report(position: StreamPosition = { sent: 0, base: 0 }) {
  const saved: StreamPosition[] = [];
  const reporter = new StreamReporter({
    client: createAgentClient({ url: peer.url, timeoutMs: 5000 }),
    log: silentLog,
    attemptId: attempt.spec.attemptId,
    token: attempt.token,
    epoch: 1,
    stream: 'log',
    source: new FileSource(path),
    position,
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
  expect(Math.max(...attempt.streams.log.map((chunk) => chunk.length))).toBeLessThanOrEqual(1024 * 1024);
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
  expect(behind.saved.at(-1)).toEqual({ sent: 10, base: 0 });
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
  expect(saved.at(-1)).toEqual({ sent: 45, base: 19 });
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
