import type { LiveMessage, RunEvent } from '@trainyard/protocol';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing/test-server.ts';
import { channelOf } from './peer-announcements.ts';

const ONE = 'name: one\nstages:\n  - { name: a, job: { command: "true" } }\n';
const WIDE = `name: wide\nmaxParallel: 100\nstages:\n${Array.from({ length: 30 }, (_, i) => `  - { name: s${i}, job: { command: "true" } }\n`).join('')}`;

let t: TestServer;
afterEach(() => t.end());

const eventsOf = (messages: readonly LiveMessage[]): RunEvent[] =>
  messages.flatMap((message) => (message.type === 'events' ? message.events : []));

/** The last status that was told of each run, by path. */
const statusesOf = (messages: readonly LiveMessage[]): Record<string, string> =>
  Object.fromEntries(
    messages
      .flatMap((message) => (message.type === 'runs' ? message.runs : []))
      .map((run) => [run.path, run.status]),
  );

/** Lets all stages of a run start and end, a few at a time. */
async function produceEvents(id: string): Promise<void> {
  const agent = await t.agent();
  for (;;) {
    const { body } = await agent.claim({ free: 5 });
    if (body.assignments.length === 0) {
      if ((await t.tree(id)).endedAt !== null) return;
      continue;
    }
    for (const assigned of body.assignments) await agent.report(assigned, 'started');
    await Promise.all(body.assignments.map((assigned) => agent.report(assigned, { outcome: 'completed' })));
  }
}

describe('the live feed of a run', () => {
  it('gives every event exactly once, whatever the pattern of reconnects, on both servers', async () => {
    t = await startTestServer();
    const peer = await t.peer();
    const pattern = fc.array(
      fc.record({ messages: fc.integer({ min: 0, max: 4 }), isPeer: fc.boolean(), again: fc.boolean() }),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(pattern, async (connections) => {
        const id = await t.submit(WIDE);
        const produced = produceEvents(id);
        const got: RunEvent[] = [];
        const cursor = () => got.at(-1)?.seq ?? 0;
        for (const { messages, isPeer, again } of connections) {
          const live = await (isPeer ? peer : t).live();
          live.send({ op: 'subscribe_run', rootId: id, afterSeq: cursor() });
          const isEnough = () =>
            live.messages.filter((message) => message.type === 'events').length >= messages;
          await Promise.race([live.until(isEnough), produced]);
          got.push(...eventsOf(live.messages));
          if (again) {
            // On the same socket: what the first subscription still reads must not come twice.
            const seen = live.messages.length;
            live.send({ op: 'subscribe_run', rootId: id, afterSeq: cursor() });
            live.send({ op: 'unsubscribe', topic: `run:${id}` });
            live.send({ op: 'ping' });
            await live.next('pong');
            // Between our decision to subscribe again and its arrival the first subscription may go on.
            for (const event of eventsOf(live.messages.slice(seen)))
              if (event.seq > cursor()) got.push(event);
          }
          await live.close();
        }
        await produced;
        const last = await peer.live();
        last.send({ op: 'subscribe_run', rootId: id, afterSeq: cursor() });
        const isEnd = (event: RunEvent) => event.type === 'run.finished' && event.runId === id;
        await last.until((messages) => [...got, ...eventsOf(messages)].some(isEnd));
        got.push(...eventsOf(last.messages));
        expect(got.map((event) => event.seq)).toEqual(got.map((_, index) => index + 1));
        await last.close();
      }),
      { numRuns: 8 },
    );
  });

  it('tells each change of a run, from the store or as it happens', async () => {
    t = await startTestServer();
    const peer = await t.peer();
    const id = await t.submit(WIDE);
    const sockets = [await t.live(), await peer.live()];
    for (const live of sockets) live.send({ op: 'subscribe_run', rootId: id, afterSeq: 0 });
    for (const live of sockets) await live.until((messages) => statusesOf(messages)['s0'] === 'queued');
    await produceEvents(id);
    for (const live of sockets) {
      await live.until((messages) => statusesOf(messages)[''] === 'completed');
      expect(new Set(Object.values(statusesOf(live.messages)))).toEqual(new Set(['completed']));
      expect(Object.keys(statusesOf(live.messages))).toHaveLength(31);
    }
  });

  it('says when there is no such run, and refuses what it does not understand', async () => {
    t = await startTestServer();
    const live = await t.live();
    const child = (await t.tree(await t.submit(ONE))).children[0]!.id;
    for (const rootId of ['run_x', child]) {
      live.send({ op: 'subscribe_run', rootId });
      expect(await live.next('error', (message) => message.topic === `run:${rootId}`)).toMatchObject({
        code: 'NOT_FOUND',
      });
    }
    for (const op of ['subscribe_log', 'subscribe_metrics'] as const) {
      live.send({ op, runId: 'run_y' });
      const topic = `${op.slice('subscribe_'.length)}:run_y`;
      expect(await live.next('error', (message) => message.topic === topic)).toMatchObject({
        code: 'NOT_FOUND',
      });
    }
    const before = live.messages.length;
    const frames = [
      '',
      '{',
      'null',
      '[]',
      '{"op":"nonsense"}',
      '{"op":"subscribe_run"}',
      '{"op":"subscribe_run","rootId":"a\\u0000"}',
      '{"op":"ping","more":1}',
      Buffer.from([1, 2]),
    ];
    for (const frame of frames) live.socket.send(frame);
    await live.until((messages) => messages.length === before + frames.length);
    expect(
      live.messages
        .slice(before)
        .every((message) => message.type === 'error' && message.code === 'INVALID_REQUEST'),
    ).toBe(true);
    live.send({ op: 'ping' });
    await live.next('pong');
    live.socket.send(`"${'x'.repeat(70_000)}"`);
    await live.until(() => live.closedWith !== undefined);
    expect(live.closedWith).toBe(1009);
    expect((await t.call('GET', '/healthz')).status).toBe(200);
  });

  it('holds at most so many subscriptions', async () => {
    t = await startTestServer();
    const live = await t.live();
    for (let i = 0; i <= 500; i += 1) live.send({ op: 'subscribe_log', runId: `run_${i}` });
    expect(await live.next('error', (message) => message.code === 'TOO_MANY_REQUESTS')).toMatchObject({
      topic: 'log:run_500',
    });
  });
});

describe('the live list', () => {
  it('tells of runs on either server as they are created and end', async () => {
    t = await startTestServer();
    const peer = await t.peer();
    const sockets = [await t.live(), await peer.live()];
    for (const live of sockets) {
      live.send({ op: 'subscribe_list' });
      live.send({ op: 'ping' });
      await live.next('pong');
    }
    const ids = [await t.submit(ONE), await peer.submit(ONE)];
    for (const id of ids) await t.call('POST', `/api/v1/runs/${id}/cancel`, {});
    for (const live of sockets) {
      for (const id of ids) {
        await live.next('runs', ({ runs }) => runs.some((run) => run.id === id));
        await live.next('runs', ({ runs }) =>
          runs.some((run) => run.id === id && run.status === 'cancelled'),
        );
      }
    }
  });
});

describe.each(['the same server', 'another server'] as const)('streams stored by %s', (where) => {
  const start = async () => {
    t = await startTestServer();
    const reader = where === 'the same server' ? t : await t.peer();
    await t.submit(
      'name: r\nstages:\n  - { name: a, job: { command: x }, retry: { attempts: 2, backoff: 1ms } }\n',
    );
    const agent = await t.agent();
    const assigned = await agent.take();
    return { agent, assigned, live: await reader.live() };
  };

  it('come as log text, whole characters only, through all attempts', async () => {
    const { agent, assigned, live } = await start();
    const { runId } = assigned.spec;
    live.send({ op: 'subscribe_log', runId });
    const text = 'aé✓🚂z\n';
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 1)
      await agent.append(assigned, 'log', at, bytes.subarray(at, at + 1));
    // A character that never becomes whole is given as it is when the attempt ends.
    await agent.append(assigned, 'log', bytes.length, Buffer.from([0xf0, 0x9f]));
    await agent.report(assigned, {
      outcome: 'failed',
      exitCode: 1,
      error: { code: 'exit_code', message: 'exit code 1' },
    });
    const second = await agent.take();
    await agent.append(second, 'log', 0, 'second');
    const logs = () => live.messages.filter((message) => message.type === 'log');
    const textOf = (id: string) =>
      logs()
        .filter((log) => log.attemptId === id)
        .map((log) => log.text)
        .join('');
    await live.until(() => textOf(second.spec.attemptId) === 'second');
    expect(textOf(assigned.spec.attemptId)).toBe(`${text}\ufffd`);
    let next = 0;
    for (const log of logs().filter((log) => log.attemptId === assigned.spec.attemptId)) {
      expect(log.offset).toBe(next);
      next = log.nextOffset;
    }
    expect(next).toBe(bytes.length + 2);
  });

  it('come as points, each once, also when a line is split over appends', async () => {
    const { agent, assigned, live } = await start();
    live.send({ op: 'subscribe_metrics', runId: assigned.spec.runId });
    live.send({ op: 'ping' });
    await live.next('pong');
    const lines = Array.from(
      { length: 40 },
      (_, step) =>
        `{"step":${step},"timestamp":${step},"loss":${step === 3 ? 'NaN' : step / 2},"kl":{"mean":1}}\n`,
    ).join('');
    for (let at = 0; at < lines.length; ) {
      const end = Math.min(lines.length, at + 1 + ((at * 7) % 113));
      await agent.append(assigned, 'metrics', at, lines.slice(at, end));
      at = end;
    }
    const pointsOf = (key: string) =>
      live.messages.flatMap((message) => (message.type === 'points' ? (message.points[key] ?? []) : []));
    await live.until(() => pointsOf('loss').length >= 40 && pointsOf('kl/mean').length >= 40);
    const expected = Array.from({ length: 40 }, (_, step) => ({
      step,
      time: step * 1000,
      value: step === 3 ? 'NaN' : step / 2,
    }));
    expect(pointsOf('loss').toSorted((a, b) => a.step - b.step)).toEqual(expected);
    expect(live.messages.some((message) => message.type === 'gap')).toBe(false);
  });
});

describe('a slow reader', () => {
  it('costs bounded memory, is told of the gap, and gets the whole log in the end', async () => {
    t = await startTestServer();
    const id = await t.submit(ONE);
    const agent = await t.agent();
    const assigned = await agent.take();
    const { runId } = assigned.spec;
    const live = await t.live();
    live.send({ op: 'subscribe_metrics', runId });
    live.send({ op: 'subscribe_log', runId });
    live.send({ op: 'subscribe_run', rootId: id });
    live.send({ op: 'ping' });
    await live.next('pong');
    live.socket.pause();
    const heapBefore = process.memoryUsage().rss;
    const block = Buffer.alloc(1024 * 1024, 'log line\n');
    const line = (step: number) =>
      `{"step":${step},${Array.from({ length: 200 }, (_, i) => `"metric_${i}":${step}.5`).join(',')}}\n`;
    let metricsAt = 0;
    for (let i = 0; i < 8; i += 1)
      expect((await agent.append(assigned, 'log', i * block.length, block)).status).toBe(200);
    // A megabyte of points each: more than the server and the system keep for a reader, however slow the log comes.
    for (let i = 0; i < 16; i += 1) {
      const bytes = Array.from({ length: 100 }, (_, j) => line(i * 100 + j)).join('');
      await agent.append(assigned, 'metrics', metricsAt, bytes);
      metricsAt += bytes.length;
    }
    expect(process.memoryUsage().rss - heapBefore).toBeLessThan(400 * 1024 * 1024);
    live.socket.resume();
    const received = () =>
      live.messages.reduce((sum, message) => sum + (message.type === 'log' ? message.text.length : 0), 0);
    await live.until(() => received() === 8 * block.length);
    await agent.append(assigned, 'metrics', metricsAt, line(9999));
    await live.next('gap');
    await live.next(
      'points',
      ({ points }) => points['metric_0']?.some((point) => point.step === 9999) === true,
    );
  });
});

describe('two servers on one database', () => {
  it('hand work submitted to one to an agent that waits at the other at once', async () => {
    t = await startTestServer();
    const peer = await t.peer();
    const agent = await peer.agent();
    const claimsMs: number[] = [];
    const endsMs: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const poll = agent.claim({ waitMs: 10_000 });
      await peer.call('GET', '/healthz');
      const startedAt = performance.now();
      const id = await t.submit(ONE);
      const { body } = await poll;
      claimsMs.push(performance.now() - startedAt);
      const reportedAt = performance.now();
      await agent.report(body.assignments[0]!, { outcome: 'completed' });
      await t.treeWhen(id, ({ status }) => status === 'completed');
      endsMs.push(performance.now() - reportedAt);
    }
    // The best of them: a busy machine delays one or the other, a poll of a second delays all.
    expect(Math.min(...claimsMs)).toBeLessThan(200);
    expect(Math.min(...endsMs)).toBeLessThan(200);
  });

  it('take up their link again when the database cut it, and look for what was missed', async () => {
    t = await startTestServer();
    const peer = await t.peer();
    const id = await t.submit(ONE);
    const live = await peer.live();
    live.send({ op: 'subscribe_run', rootId: id });
    await live.next('events');
    const { pool } = t.server.database;
    const { rowCount } = await pool.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1',
      [channelOf(t.place.schema)],
    );
    expect(rowCount).toBe(2);
    await t.call('POST', `/api/v1/runs/${id}/cancel`, {});
    await live.until((messages) =>
      eventsOf(messages).some((event) => event.type === 'run.finished' && event.runId === id),
    );
    const seqs = eventsOf(live.messages).map((event) => event.seq);
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  });
});
