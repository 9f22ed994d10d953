import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { AGENT_PROTOCOL } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newSecretToken } from '../auth/secret-token.ts';
import { makeAttempt } from '../ingest/testing/test-store.ts';
import { type RunningServer, startServer } from '../start-server.ts';
import { type TestDatabase, testDatabase } from '../testing/databases.ts';
import { describeDatabases } from '../testing/describe-databases.ts';

describeDatabases('streams, logs and metrics over HTTP', (engine) => {
  let place: TestDatabase;
  let directory: string;
  let server: RunningServer;
  beforeAll(async () => {
    place = await testDatabase({ engine });
    directory = await mkdtemp(join(tmpdir(), 'trainyard-routes-'));
    server = await startServer({ dataDir: directory, databaseUrl: place.url, schema: place.schema });
  });
  afterAll(async () => {
    await server.stop();
    await place.drop();
    await rm(directory, { recursive: true, force: true });
  });

  /** A running attempt with a token. */
  async function attempt(options: { runId?: string; number?: number; status?: string } = {}) {
    const made = await makeAttempt(server.database, options);
    const { token, hash } = newSecretToken('tya');
    await server.database.kysely
      .updateTable('attempts')
      .set({ token_hash: hash })
      .where('id', '=', made.attemptId)
      .execute();
    return { ...made, token };
  }

  type Attempt = Awaited<ReturnType<typeof attempt>>;

  async function append(
    to: Attempt,
    stream: string,
    offset: number | string,
    body: Buffer | string,
    change: { token?: string; epoch?: number; headers?: Record<string, string> } = {},
  ): Promise<{ status: number; body: unknown }> {
    const epoch = change.epoch ?? to.attemptNumber;
    const url = `${server.url}/api/v1/attempts/${to.attemptId}/streams/${stream}?offset=${offset}&epoch=${epoch}`;
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        authorization: `Bearer ${change.token ?? to.token}`,
        ...change.headers,
      },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
    return { status: response.status, body: await response.json() };
  }

  const get = (path: string) => fetch(`${server.url}/api/v1${path}`);
  async function getJson<T>(path: string): Promise<T> {
    return (await (await get(path)).json()) as T;
  }

  it('appends plain and gzipped bytes and answers the stored size', async () => {
    const to = await attempt();
    expect(await append(to, 'log', 0, 'hello ')).toEqual({ status: 200, body: { size: 6 } });
    const zipped = gzipSync('lo world\n');
    const headers = { 'content-encoding': 'gzip' };
    expect(await append(to, 'log', 3, zipped, { headers })).toEqual({ status: 200, body: { size: 12 } });
    expect(await append(to, 'log', 12, '')).toEqual({ status: 200, body: { size: 12 } });
    const log = await get(`/runs/${to.runId}/log`);
    expect(await log.text()).toBe('hello world\n');
    expect(log.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  });

  it('refuses gaps, foreign tokens, other epochs, ended attempts, unknown streams and bad offsets', async () => {
    const to = await attempt();
    const other = await attempt();
    const ended = await attempt({ status: 'completed' });
    expect(await append(to, 'log', 5, 'x')).toMatchObject({
      status: 409,
      body: { error: { code: 'STREAM_GAP', details: { size: 0 } } },
    });
    expect(await append(to, 'log', 0, 'x', { token: other.token })).toMatchObject({ status: 401 });
    expect(await append(to, 'log', 0, 'x', { epoch: 7 })).toMatchObject({
      status: 410,
      body: { error: { code: 'ATTEMPT_FENCED' } },
    });
    expect(await append(ended, 'log', 0, 'x')).toMatchObject({ status: 410 });
    expect(await append(to, 'secrets', 0, 'x')).toMatchObject({ status: 400 });
    expect(await append(to, 'log', -1, 'x')).toMatchObject({ status: 400 });
    expect(await append(to, 'log', '0.5', 'x')).toMatchObject({ status: 400 });
  });

  it('refuses bodies that are too large, also after inflating them, and damaged gzip', async () => {
    const to = await attempt();
    const headers = { 'content-encoding': 'gzip' };
    const tooLarge = { status: 413, body: { error: { code: 'TOO_LARGE' } } };
    const largest = Buffer.alloc(AGENT_PROTOCOL.maxAppendBytes);
    const larger = Buffer.alloc(AGENT_PROTOCOL.maxAppendBytes + 1);
    expect(await append(to, 'log', 0, larger)).toMatchObject(tooLarge);
    expect(await append(to, 'log', 0, gzipSync(larger), { headers })).toMatchObject(tooLarge);
    expect(await append(to, 'log', 0, 'no gzip', { headers })).toMatchObject({ status: 400 });
    expect(await append(to, 'log', 0, 'x', { headers: { 'content-encoding': 'br' } })).toMatchObject({
      status: 400,
    });
    expect(await append(to, 'log', 0, gzipSync(largest), { headers })).toMatchObject({ status: 200 });
  });

  it('takes bodies whose length is not announced, and stores nothing of one that breaks off', async () => {
    const to = await attempt();
    const url = `${server.url}/api/v1/attempts/${to.attemptId}/streams/log?offset=0&epoch=${to.attemptNumber}`;
    const headers = { 'content-type': 'application/octet-stream', authorization: `Bearer ${to.token}` };
    const pieces = ['one\n', 'x'.repeat(70_000), '\nend\n'].map((text) => Buffer.from(text));
    const body = (breaksOff: boolean) =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = pieces[at];
          at += 1;
          if (piece !== undefined) controller.enqueue(new Uint8Array(piece));
          else if (breaksOff) controller.error(new Error('the sender ended'));
          else controller.close();
        },
      });
    let at = 0;
    await expect(fetch(url, { method: 'POST', headers, body: body(true), duplex: 'half' })).rejects.toThrow();
    at = 0;
    const answer = await fetch(url, { method: 'POST', headers, body: body(false), duplex: 'half' });
    const size = Buffer.concat(pieces).length;
    expect(await answer.json()).toEqual({ size });
    const log = await get(`/runs/${to.runId}/log`);
    expect(Buffer.from(await log.arrayBuffer()).equals(Buffer.concat(pieces))).toBe(true);
  });

  it('answers parts of a log with their place', async () => {
    const to = await attempt();
    await append(to, 'log', 0, 'one\ntwo\nthree');
    const part = await get(`/runs/${to.runId}/log?offset=-5&limit=3`);
    expect(await part.text()).toBe('thr');
    const place = ['x-attempt', 'x-attempt-id', 'x-offset', 'x-next-offset', 'x-size', 'x-complete'];
    expect(place.map((name) => part.headers.get(name))).toEqual([
      '1',
      to.attemptId,
      '8',
      '11',
      '13',
      'false',
    ]);

    const running = await getJson(`/runs/${to.runId}/log/lines`);
    expect(running).toMatchObject({ nextOffset: 8, size: 13, complete: false });
    await end(to);
    const ended = await getJson<{ items: { text: string }[] }>(`/runs/${to.runId}/log/lines?limit=10`);
    expect(ended).toMatchObject({ nextOffset: 13, size: 13, complete: true });
    expect(ended.items.map((line) => line.text)).toEqual(['one', 'two', 'three']);
    expect((await get(`/runs/${to.runId}/log`)).headers.get('x-complete')).toBe('true');
  });

  it('reads the newest attempt unless another one is named', async () => {
    const first = await attempt();
    await append(first, 'log', 0, 'first');
    await end(first);
    const second = await attempt({ runId: first.runId, number: 2 });
    await append(second, 'log', 0, 'second');
    const text = async (query: string) => (await get(`/runs/${first.runId}/log${query}`)).text();
    expect(await text('')).toBe('second');
    expect(await text('?attempt=1')).toBe('first');
    expect((await get(`/runs/${first.runId}/log?attempt=3`)).status).toBe(404);
  });

  it('says where to look when a run has no log of its own', async () => {
    const to = await attempt();
    await server.database.kysely
      .updateTable('runs')
      .set({ kind: 'pipeline', attempt: 0 })
      .where('id', '=', to.runId)
      .execute();
    const response = await get(`/runs/${to.runId}/log`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: { message: expect.stringContaining('read the logs of its stages') },
    });
    expect((await get('/runs/run_none/log')).status).toBe(404);
  });

  it('answers points, latest values and charts', async () => {
    const to = await attempt();
    const lines = [
      '{"step":0,"timestamp":1,"loss":0.5,"acc":NaN}',
      '{"step":1,"timestamp":2,"loss":Infinity}',
      '{"step":2,"timestamp":3,"loss":0.25}',
      '',
    ];
    await append(to, 'metrics', 0, lines.join('\n'));
    expect(await getJson(`/runs/${to.runId}/metrics`)).toEqual({
      acc: [{ step: 0, value: 'NaN', time: 1000 }],
      loss: [
        { step: 0, value: 0.5, time: 1000 },
        { step: 1, value: 'Infinity', time: 2000 },
        { step: 2, value: 0.25, time: 3000 },
      ],
    });
    expect(await getJson(`/runs/${to.runId}/metrics?key=loss&firstStep=2`)).toEqual({
      loss: [{ step: 2, value: 0.25, time: 3000 }],
    });
    expect(await getJson(`/runs/${to.runId}/metrics?key=none`)).toEqual({});
    const latest = { key: 'loss', step: 2, value: 0.25, time: 3000, count: 3, min: 0.25, max: 0.5 };
    for (const query of ['', '?tree=true']) {
      const { items } = await getJson<{ items: unknown[] }>(`/runs/${to.runId}/metrics/latest${query}`);
      expect(items[1]).toEqual({ ...latest, runId: to.runId, path: '' });
    }
    expect(await getJson(`/charts?run=${to.runId}&run=run_none&key=loss&buckets=2`)).toEqual({
      series: [
        {
          runId: to.runId,
          key: 'loss',
          buckets: [
            {
              ...{ firstStep: 0, lastStep: 1, firstX: 0, lastX: 1, firstTime: 1000, lastTime: 2000 },
              ...{ count: 2, nans: 0, positiveInfinities: 1, negativeInfinities: 0 },
              ...{ min: 0.5, max: 0.5, mean: 0.5, first: 0.5, last: 'Infinity' },
            },
            {
              ...{ firstStep: 2, lastStep: 2, firstX: 2, lastX: 2, firstTime: 3000, lastTime: 3000 },
              ...{ count: 1, nans: 0, positiveInfinities: 0, negativeInfinities: 0 },
              ...{ min: 0.25, max: 0.25, mean: 0.25, first: 0.25, last: 0.25 },
            },
          ],
        },
      ],
    });
    expect((await get('/charts?key=loss')).status).toBe(400);
    expect((await get('/runs/run_none/metrics')).status).toBe(404);
  });

  async function end({ attemptId }: Attempt): Promise<void> {
    await server.database.kysely
      .updateTable('attempts')
      .set({ status: 'completed' })
      .where('id', '=', attemptId)
      .execute();
  }

  it('gives a log as a text file with UTC times and the last state of progress bars, and raw', async () => {
    const to = await attempt();
    const long = 'x'.repeat(2 * 1024 * 1024);
    const parts = [
      Buffer.from('epoch 1\r\n10%\r20%\r100%\nbroken '),
      Buffer.from([0xff, 0xe2, 0x82]),
      Buffer.from([0xac, 0x0a]),
      Buffer.from(long.slice(0, 1024 * 1024)),
      Buffer.from(`${long.slice(1024 * 1024)}\nlast`),
    ];
    let offset = 0;
    for (const part of parts) {
      await append(to, 'log', offset, part.subarray(0, 1024 * 1024));
      await append(to, 'log', offset + 1024 * 1024, part.subarray(1024 * 1024));
      offset += part.length;
    }
    const download = async (format: string) => {
      const response = await fetch(`${server.url}/api/v1/runs/${to.runId}/log/download?format=${format}`);
      expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${to.runId}-1.log"`);
      return Buffer.from(await response.arrayBuffer());
    };
    expect((await download('raw')).equals(Buffer.concat(parts))).toBe(true);
    const lines = (await download('text')).toString().split('\n');
    const prefix = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] /;
    expect(lines.slice(0, -1).every((line) => prefix.test(line))).toBe(true);
    const texts = lines.map((line) => line.replace(prefix, ''));
    expect(texts.slice(0, 3)).toEqual(['epoch 1', '100%', 'broken \ufffd\u20ac']);
    expect(texts[3]).toMatch(/^x+ \[trainyard\] the line is longer than 1 MiB and was cut here$/);
    expect(texts.at(-2)).toBe('last');
    const at = Date.parse(`${lines[0]!.slice(1, 20).replace(' ', 'T')}Z`);
    expect(Math.abs(Date.now() - at)).toBeLessThan(60_000);
  });
});
