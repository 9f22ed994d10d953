import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pullJob } from '../../testing/pulled-job.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';

const PIPELINE = 'name: p\nstages: [{ name: train, job: { command: [x], queue: pull } }]\n';

interface Page {
  predictions: { index: number; step?: number; prediction: unknown; timestamp: string }[];
  total: number;
  offset: number;
  first_offset: number;
}

describe('predictions of a job', () => {
  let t: TestServer;
  let workers = 0;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  async function claimed(pipeline = PIPELINE) {
    const rootId = await t.submit(pipeline);
    const { id } = (await t.tree(rootId)).children[0]!;
    const claim = () => {
      workers += 1;
      return pullJob(t.call, id, `agent_p${workers}`);
    };
    const token = await claim();
    const report = (status: string, by = token) =>
      t.call('PATCH', `/api/training/local/${id}/status`, { status }, { token: by });
    const path = `/api/training/local/${id}/predictions`;
    return {
      path,
      token,
      claim,
      report,
      until: (status: string) =>
        eventually(async () => (await t.tree(rootId)).children[0]!.status === status || undefined),
      view: async () =>
        (await t.call<Record<string, unknown>>('GET', `/api/training/local/${id}/status`)).body,
      send: (predictions: unknown[], sequence?: number) =>
        t.call<{ total_predictions: number; error: string; code: string }>(
          'POST',
          path,
          { predictions, ...(sequence === undefined ? {} : { sequence }) },
          { token },
        ),
      read: async (query = '') => (await t.call<Page>('GET', path + query)).body,
      end: () => report('completed'),
    };
  }
  const sample = (step: number) => ({
    step,
    epoch: 0,
    sample_index: 0,
    prompt: 'Hi',
    prediction: `at ${step}`,
  });

  it('are stored once, in order, with all that was sent, and read by pages', async () => {
    const job = await claimed();
    expect((await job.send([sample(0), sample(10)], 0)).body).toMatchObject({ total_predictions: 2 });
    expect(
      (await job.send([sample(10), { ...sample(20), bleu: 0.5, tokens: [1, 2] }], 1)).body,
    ).toMatchObject({
      total_predictions: 3,
    });
    expect((await job.send([sample(1)], 9)).body.code).toBe('STREAM_GAP');
    expect(await job.read()).toMatchObject({
      total: 3,
      offset: 0,
      first_offset: 0,
      predictions: [
        { index: 0, step: 0, prediction: 'at 0', timestamp: expect.stringMatching(/Z$/) },
        { index: 1, step: 10 },
        { index: 2, step: 20, bleu: 0.5, tokens: [1, 2] },
      ],
    });
    expect((await job.read('?offset=1&limit=1')).predictions).toMatchObject([{ index: 1 }]);
    expect(await job.read('?offset=99')).toMatchObject({ predictions: [], total: 3 });
  });

  it('are refused when they are too large, too many or none', async () => {
    const job = await claimed();
    const large = await job.send([sample(0), { ...sample(1), prompt: 'x'.repeat(70_000) }]);
    expect([large.status, large.body.code]).toEqual([413, 'TOO_LARGE']);
    expect(large.body.error).toContain('predictions/1');
    expect((await job.send(Array.from({ length: 1001 }, (_, step) => sample(step)))).status).toBe(400);
    expect((await job.send([{ step: 1 }])).status).toBe(400);
    expect(await job.read()).toMatchObject({ total: 0, predictions: [] });
    await job.end();
    expect((await job.send([sample(1)])).body.code).toBe('INVALID_STATUS');
  });

  it('are followed live, from any place on, until the job has ended', async () => {
    const job = await claimed();
    await job.send([sample(0)]);
    const [fromStart, fromNow] = await Promise.all([
      follow(`${job.path}/stream?offset=0`),
      follow(`${job.path}/stream`),
    ]);
    await fromStart.until(1);
    await job.send([sample(1), sample(2)]);
    await Promise.all([fromStart.until(3), fromNow.until(2)]);
    const again = await follow(`${job.path}/stream`, { 'last-event-id': '1' });
    await job.end();
    expect(await fromStart.end()).toEqual(['0 at 0', '1 at 1', '2 at 2', 'end completed']);
    expect(await fromNow.end()).toEqual(['1 at 1', '2 at 2', 'end completed']);
    expect(await again.end()).toEqual(['2 at 2', 'end completed']);
  });

  it('the log is followed in the same way, by anybody who may see it', async () => {
    const job = await claimed();
    const logs = job.path.replace(/predictions$/, 'logs');
    const said = (lines: string[]) => t.call('POST', logs, { logs: lines }, { token: job.token });
    await said(['one']);
    const [all, next] = await Promise.all([follow(`${logs}/stream?offset=0`), follow(`${logs}/stream`)]);
    await said(['two', 'three']);
    await Promise.all([all.until(3), next.until(2)]);
    await job.end();
    expect(await all.end()).toEqual(['0 one', '1 two', '2 three', 'end completed']);
    expect(await next.end()).toEqual(['1 two', '2 three', 'end completed']);
  });

  it('a job that is tried again is followed into its next try, which begins anew', async () => {
    const job = await claimed(PIPELINE.replace('job:', 'retry: { attempts: 2, backoff: 500ms }, job:'));
    const logs = job.path.replace(/predictions$/, 'logs');
    const said = (lines: string[], token: string) => t.call('POST', logs, { logs: lines }, { token });
    await said(['one', 'two'], job.token);
    const all = await follow(`${logs}/stream?offset=0`);
    await all.until(2);
    await job.report('failed');
    await job.until('waiting');
    expect(await job.view()).toMatchObject({ status: 'pending', completed_at: null });
    await job.until('queued');
    const second = await job.claim();
    await said(['three', 'four'], second);
    const again = await follow(`${logs}/stream`, { 'last-event-id': '1' });
    const behind = await follow(`${logs}/stream`, { 'last-event-id': '2:0' });
    await Promise.all([all.until(4), again.until(2), behind.until(1)]);
    await job.report('completed', second);
    expect(await all.end()).toEqual(['0 one', '1 two', '2:0 three', '2:1 four', 'end completed']);
    expect(await again.end()).toEqual(['2:0 three', '2:1 four', 'end completed']);
    expect(await behind.end()).toEqual(['2:1 four', 'end completed']);
  });

  it('that nobody reads any more hold nothing', async () => {
    const job = await claimed();
    const followers = await Promise.all(Array.from({ length: 20 }, () => follow(`${job.path}/stream`)));
    for (const follower of followers) follower.hangUp();
    expectStatus(await job.send([sample(0)]), 200);
    expect((await job.read()).total).toBe(1);
    await job.end();
  });

  async function follow(path: string, headers: Record<string, string> = {}) {
    const hungUp = new AbortController();
    const response = await fetch(t.server.url + path, { headers, signal: hungUp.signal });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const told: string[] = [];
    let wake = () => {};
    const done = (async () => {
      let text = '';
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        text += part;
        const events = text.split('\n\n');
        text = events.pop()!;
        told.push(...events.flatMap(toText));
        wake();
      }
    })().catch(() => undefined);
    return {
      async until(count: number) {
        while (told.length < count) await new Promise<void>((resolve) => (wake = resolve));
      },
      async end() {
        await done;
        return told;
      },
      hangUp: () => hungUp.abort(),
    };
  }
});

/** `1 at 1` for a prediction or a line, `end completed` for the end; comments are left out. */
function toText(event: string): string[] {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(event)?.[1];
  const data = field('data');
  if (data === undefined) return [];
  const { prediction, line, status } = JSON.parse(data) as Record<string, string>;
  return [status === undefined ? `${field('id')} ${prediction ?? line}` : `end ${status}`];
}
