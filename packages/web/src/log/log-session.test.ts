import type { LogLines } from '@trainyard/client';
import type { LiveMessage } from '@trainyard/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import type { LiveSubscriber } from '../live/hub.ts';
import { LogSession } from './log-session.ts';

/** A log that answers like the server: pages of whole lines, and live text to whoever subscribes. */
class GrowingLog {
  text = '';
  attemptId = 'att_1';
  readonly asked: number[] = [];
  #subscriber: LiveSubscriber | undefined;

  readonly api = {
    readLogLines: (_id: string, query: { offset?: number | undefined; limit?: number | undefined } = {}) =>
      Promise.resolve(this.#lines(query.offset ?? 0, query.limit ?? 1000)),
  };
  readonly hub = {
    subscribe: (_topic: string, subscriber: LiveSubscriber) => {
      this.#subscriber = subscriber;
      this.#answer();
      return () => {
        this.#subscriber = undefined;
      };
    },
    resubscribe: () => this.#answer(),
  };

  grow(text: string): void {
    this.text += text;
    this.send(this.text.length - text.length, text);
  }

  send(offset: number, text: string): void {
    const message: LiveMessage = {
      type: 'log',
      topic: 'log:r',
      attemptId: this.attemptId,
      offset,
      nextOffset: offset + text.length,
      text,
    };
    this.#subscriber?.onMessage(message);
  }

  #answer(): void {
    const request = this.#subscriber?.request();
    if (request?.op !== 'subscribe_log') return;
    this.asked.push(request.offset ?? 0);
    const rest = this.text.slice(request.offset ?? 0);
    if (rest !== '') this.send(request.offset ?? 0, rest);
  }

  #lines(offset: number, limit: number): LogLines {
    let at = offset < 0 ? Math.max(0, this.text.length + offset) : offset;
    if (offset < 0 && at > 0) at = this.text.indexOf('\n', at - 1) + 1;
    const items = [];
    while (items.length < limit) {
      const end = this.text.indexOf('\n', at);
      if (end < 0) break;
      items.push({ offset: at, time: '2026-01-01T00:00:00.000Z', text: this.text.slice(at, end) });
      at = end + 1;
    }
    return { items, nextOffset: at, size: this.text.length, complete: false };
  }
}

let session: LogSession | undefined;
afterEach(() => session?.stop());

function open(log: GrowingLog, options: { live?: boolean } = {}): LogSession {
  session = new LogSession({
    api: log.api,
    hub: log.hub,
    runId: 'r',
    attempt: undefined,
    live: options.live ?? true,
  });
  return session;
}

test('the end of the log comes first, and then what is new', async () => {
  const log = new GrowingLog();
  log.text = numbered(0, 20_000);
  const session = open(log);
  await session.start();
  expect(session.window.rows.length).toBeLessThan(20_000);
  expect(session.window.rows.at(-1)?.text).toBe('line 19999');
  log.grow('line 20000\nhalf a li');
  log.grow('ne\n');
  expect(texts(session).slice(-3)).toEqual(['line 19999', 'line 20000', 'half a line']);
  expect(session.added).toBe(2);
});

test('scrolling up reads older lines until the start, each once', async () => {
  const log = new GrowingLog();
  log.text = numbered(0, 50_000);
  const session = open(log, { live: false });
  await session.start();
  while (session.window.startOffset > 0) await session.loadOlder();
  expect(texts(session)).toEqual(numbered(0, 50_000).trimEnd().split('\n'));
  expect(session.topShift).toBeGreaterThan(30_000);
});

test('a line longer than the reach is still found', async () => {
  const log = new GrowingLog();
  log.text = `first\n${'x'.repeat(300_000)}\n${numbered(0, 20_000)}`;
  const session = open(log, { live: false });
  await session.start();
  while (session.window.startOffset > 0) await session.loadOlder();
  expect(session.window.rows[0]?.text).toBe('first');
  expect(session.window.rows[1]?.text).toHaveLength(300_000);
});

test('missing bytes are asked for once, and nothing is shown twice', async () => {
  const log = new GrowingLog();
  log.text = 'a\n';
  const session = open(log);
  await session.start();
  log.text += 'lost\n';
  log.grow('b\n');
  log.grow('c\n');
  expect(texts(session)).toEqual(['a', 'lost', 'b', 'c']);
  expect(log.asked).toEqual([2, 2]);
});

test('a new attempt begins with an empty page', async () => {
  const log = new GrowingLog();
  log.text = 'old\n';
  const session = open(log);
  await session.start();
  log.grow('more\n');
  log.attemptId = 'att_2';
  log.text = '';
  log.grow('new\n');
  expect(texts(session)).toEqual(['new']);
});

test('readers are told of live text at most ten times a second', async () => {
  vi.useFakeTimers();
  try {
    const log = new GrowingLog();
    const session = open(log);
    await session.start();
    const told = vi.fn();
    session.watch(told);
    for (let i = 0; i < 50; i += 1) log.grow(`${i}\n`);
    expect(told).not.toHaveBeenCalled();
    vi.advanceTimersByTime(100);
    expect(told).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});

test('a failed reading is shown, not hidden', async () => {
  const log = new GrowingLog();
  const session = new LogSession({
    api: { readLogLines: () => Promise.reject(new Error('no')) },
    hub: log.hub,
    runId: 'r',
    attempt: undefined,
    live: true,
  });
  await session.start();
  expect(session.status).toBe('failed');
  expect(String(session.error)).toBe('Error: no');
});

function numbered(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('');
}

function texts(session: LogSession): string[] {
  return session.window.rows.map((row) => row.text);
}
