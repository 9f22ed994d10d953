import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { LiveMessage, LiveRequest } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws';
import { LiveHub } from './hub.ts';

/** A live server that records requests and answers nothing by itself but pings. */
class Feed {
  readonly server: WebSocketServer;
  readonly requests: LiveRequest[] = [];
  readonly protocols: string[] = [];
  answersPings = true;

  constructor(port = 0) {
    this.server = new WebSocketServer({ port, host: '127.0.0.1' });
    this.server.on('connection', (socket) => {
      this.protocols.push(socket.protocol);
      socket.on('message', (data) => {
        const request = JSON.parse(String(data)) as LiveRequest;
        if (request.op === 'ping') {
          if (this.answersPings) socket.send(JSON.stringify({ type: 'pong' }));
        } else this.requests.push(request);
      });
    });
  }

  async port(): Promise<number> {
    if (this.server.address() === null) await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  send(message: LiveMessage): void {
    for (const client of this.server.clients as Set<ServerSocket>) client.send(JSON.stringify(message));
  }

  async stop(): Promise<void> {
    for (const client of this.server.clients) client.terminate();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

let feed: Feed;
let hub: LiveHub;
let port: number;

beforeEach(async () => {
  feed = new Feed();
  port = await feed.port();
  hub = makeHub({});
});

afterEach(async () => {
  hub.close();
  await feed.stop();
});

function makeHub(options: { pingMs?: number; staleMs?: number; protocols?: string[] }): LiveHub {
  const { protocols = [], ...times } = options;
  return new LiveHub({
    url: () => `ws://127.0.0.1:${port}`,
    protocols: () => protocols,
    firstRetryMs: 20,
    maxRetryMs: 50,
    ...times,
  });
}

test('a subscription made before the connection is sent when it opens', async () => {
  hub.subscribe('list', { request: () => ({ op: 'subscribe_list' }), onMessage: () => undefined });
  hub.connect();
  await vi.waitFor(() => expect(feed.requests).toEqual([{ op: 'subscribe_list' }]));
  expect(hub.state).toEqual({ kind: 'live' });
});

test('after a lost connection each topic goes on from the cursor it had reached', async () => {
  let lastSeq = 0;
  let subscribed = 0;
  hub.subscribe('run:r1', {
    request: () => ({ op: 'subscribe_run', rootId: 'r1', afterSeq: lastSeq }),
    onMessage: (message) => {
      if (message.type === 'events') lastSeq = message.events.at(-1)!.seq;
    },
    onSubscribed: () => {
      subscribed += 1;
    },
  });
  hub.connect();
  await vi.waitFor(() => expect(feed.requests).toHaveLength(1));
  const event = { rootId: 'r1', seq: 7, runId: 'r1', path: '', type: 'run.started', at: '', data: {} };
  feed.send({ type: 'events', topic: 'run:r1', events: [event] });
  await vi.waitFor(() => expect(lastSeq).toBe(7));

  await feed.stop();
  await vi.waitFor(() => expect(hub.state.kind).toBe('reconnecting'));
  feed = new Feed(port);
  await vi.waitFor(() => expect(hub.state.kind).toBe('live'));
  await vi.waitFor(() => expect(feed.requests).toEqual([{ op: 'subscribe_run', rootId: 'r1', afterSeq: 7 }]));
  expect(subscribed).toBe(2);
});

test('a connection that is gone for long counts as stale, since it was lost', async () => {
  hub = makeHub({ staleMs: 60 });
  hub.connect();
  await vi.waitFor(() => expect(hub.state.kind).toBe('live'));
  const beforeMs = Date.now();
  await feed.stop();
  await vi.waitFor(() => expect(hub.state.kind).toBe('stale'));
  const state = hub.state as { sinceMs: number };
  expect(state.sinceMs).toBeGreaterThanOrEqual(beforeMs - 5);
  feed = new Feed(port);
  await vi.waitFor(() => expect(hub.state.kind).toBe('live'));
});

test('a server that says nothing more is left and tried anew', async () => {
  hub = makeHub({ pingMs: 30 });
  feed.answersPings = false;
  hub.connect();
  await vi.waitFor(() => expect(feed.protocols.length).toBeGreaterThanOrEqual(2));
  feed.answersPings = true;
  await vi.waitFor(() => expect(hub.state.kind).toBe('live'));
});

test('two subscribers of one topic share one request and both hear', async () => {
  const heard: string[] = [];
  const subscriber = (name: string) => ({
    request: () => ({ op: 'subscribe_metrics' as const, runId: 'r1' }),
    onMessage: (message: LiveMessage) => void heard.push(`${name}:${message.type}`),
  });
  hub.connect();
  await vi.waitFor(() => expect(hub.state.kind).toBe('live'));
  const endFirst = hub.subscribe('metrics:r1', subscriber('a'));
  const endSecond = hub.subscribe('metrics:r1', subscriber('b'));
  await vi.waitFor(() => expect(feed.requests).toHaveLength(1));
  feed.send({ type: 'gap', topic: 'metrics:r1' });
  feed.send({ type: 'gap', topic: 'metrics:other' });
  await vi.waitFor(() => expect(heard).toEqual(['a:gap', 'b:gap']));
  endFirst();
  endSecond();
  await vi.waitFor(() => expect(feed.requests.at(-1)).toEqual({ op: 'unsubscribe', topic: 'metrics:r1' }));
  expect(feed.requests).toHaveLength(2);
});

test('a topic can be asked for again from another cursor', async () => {
  let offset = 0;
  hub.subscribe('log:r1', {
    request: () => ({ op: 'subscribe_log', runId: 'r1', offset }),
    onMessage: () => undefined,
  });
  hub.connect();
  await vi.waitFor(() => expect(feed.requests).toHaveLength(1));
  offset = 42;
  hub.resubscribe('log:r1');
  await vi.waitFor(() =>
    expect(feed.requests.at(-1)).toEqual({ op: 'subscribe_log', runId: 'r1', offset: 42 }),
  );
});

test('the token travels as a subprotocol', async () => {
  hub = makeHub({ protocols: ['bearer.secret'] });
  hub.connect();
  await vi.waitFor(() => expect(feed.protocols).toEqual(['bearer.secret']));
});

test('what is no message of the protocol is passed over', async () => {
  const heard: LiveMessage[] = [];
  hub.subscribe('list', {
    request: () => ({ op: 'subscribe_list' }),
    onMessage: (message) => void heard.push(message),
  });
  hub.connect();
  await vi.waitFor(() => expect(feed.requests).toHaveLength(1));
  for (const client of feed.server.clients) client.send('{not json');
  feed.send({ type: 'runs', topic: 'list', runs: [] });
  await vi.waitFor(() => expect(heard).toEqual([{ type: 'runs', topic: 'list', runs: [] }]));
});
