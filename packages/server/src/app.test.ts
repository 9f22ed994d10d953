import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectError } from './testing/expect-error.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const ONE = 'name: one\nstages:\n  - { name: a, job: { command: "true" } }\n';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(() => t.end());

describe('error answers', () => {
  it('say that there is nothing at an unknown address', async () => {
    for (const [method, path] of [
      ['GET', '/api/v1/nothing'],
      ['POST', '/api/v1/nothing'],
      ['PUT', '/api/v1/runs'],
      ['GET', '/api/v2/runs'],
      ['GET', '/nothing'],
      ['GET', '/api/v1/live'],
    ] as const) {
      expectError(await t.call(method, path), 'NOT_FOUND');
    }
  });

  it('have the older form below the addresses of the older training API', async () => {
    for (const [method, path, status, code] of [
      ['GET', '/api/training', 404, 'NOT_FOUND'],
      ['POST', '/api/training/local/x/nothing', 404, 'NOT_FOUND'],
      ['DELETE', '/api/training/agent/poll?a=1', 404, 'NOT_FOUND'],
      ['GET', '/api/workers/nothing', 404, 'NOT_FOUND'],
      ['GET', '/api/training/%zz', 400, 'INVALID_REQUEST'],
    ] as const) {
      const answer = await t.call(method, path);
      expect({ path, status: answer.status, body: answer.body }).toEqual({
        path,
        status,
        body: { success: false, error: expect.stringMatching(/\S/), code },
      });
    }
    expectError(await t.call('GET', '/api/trainings'), 'NOT_FOUND');
  });

  it('say that a key reaches a prototype, and take "constructor" as data', async () => {
    const definition = (key: string) =>
      `{"definition":{"name":"one","params":{"p":{"type":"json"}},"stages":[{"name":"a","job":{"command":"true"}}]},"params":{"p":{"${key}":{"prototype":1}}}}`;
    const taken = await t.call('POST', '/api/v1/runs', definition('constructor'));
    expect(taken.status, taken.text).toBeLessThan(300);
    const refused = await t.call('POST', '/api/v1/runs', definition('__proto__'));
    expect(expectError(refused, 'INVALID_REQUEST').message).toContain('"__proto__"');
  });

  it('name the thing that does not exist', async () => {
    for (const path of [
      'runs/run_x',
      'runs/run_x/tree',
      'runs/run_x/events',
      'runs/run_x/log',
      'runs/run_x/metrics',
      'runs/run_x/attempts',
      'runs/run_x/definition',
      'runs/run_x/datasets',
    ]) {
      expect(expectError(await t.call('GET', `/api/v1/${path}`), 'NOT_FOUND').message).toContain('run_x');
    }
    expectError(await t.call('DELETE', '/api/v1/tokens/tok_x'), 'NOT_FOUND');
    expectError(await t.call('POST', '/api/v1/agents/agt_x/heartbeat', { held: [] }), 'NOT_FOUND');
  });

  it('refuse malformed JSON, wrong types, unknown keys and other content types', async () => {
    const post = (body: unknown, headers = {}) => t.call('POST', '/api/v1/runs', body, { headers });
    for (const body of [
      '{"source":',
      '',
      'null',
      '[]',
      '42',
      '"text"',
      '{"__proto__":{"source":"x"}}',
      { source: 1 },
      { source: ONE, unknown: 1 },
      {},
    ]) {
      expectError(await post(body), 'INVALID_REQUEST');
    }
    expectError(await post(ONE, { 'content-type': 'application/yaml' }), 'INVALID_REQUEST');
    expectError(await t.call('POST', '/api/v1/agents/register', { name: 'x' }), 'INVALID_REQUEST');
    expectError(
      await t.call('POST', '/api/v1/reports', { reports: [{ kind: 'nonsense' }] }),
      'INVALID_REQUEST',
    );
    expectError(await t.call('GET', '/api/v1/runs/%E0%A4%A'), 'INVALID_REQUEST');
  });

  it('refuse a body above the limit, also without a content length', async () => {
    expectError(await t.call('POST', '/api/v1/runs', { source: 'x'.repeat(17 * 1024 * 1024) }), 'TOO_LARGE');
    const chunked = await t.call('POST', '/api/v1/runs', 'x'.repeat(17 * 1024 * 1024), {
      headers: { 'transfer-encoding': 'chunked' },
    });
    expectError(chunked, 'TOO_LARGE');
  });

  it('refuse text and numbers that cannot be stored, wherever they stand', async () => {
    const nul = 'a\u0000b';
    const half = JSON.parse('"\\ud800"') as string;
    for (const bad of [nul, half]) {
      const source =
        'name: p\nparams: { x: { type: json } }\nstages:\n  - { name: a, job: { command: "true" } }\n';
      expectError(await t.call('POST', '/api/v1/runs', { source, params: { x: bad } }), 'INVALID_REQUEST');
      expectError(
        await t.call('POST', '/api/v1/runs', { source, params: { x: { [bad]: 1 } } }),
        'INVALID_REQUEST',
      );
      expectError(
        await t.call('POST', '/api/v1/runs', { source: ONE, params: {}, baseDir: bad, fileName: bad }),
        'INVALID_REQUEST',
      );
      const agent = { name: bad, hostname: 'h', version: '0', bootId: 'b', slots: 1, gpus: 0, queues: ['q'] };
      expectError(await t.call('POST', '/api/v1/agents/register', agent), 'INVALID_REQUEST');
      expectError(
        await t.call('POST', '/api/v1/tokens', { name: bad, scopes: ['agent'] }),
        'INVALID_REQUEST',
      );
    }
    const escaped = ONE.replace('"true"', '"a\\0b"');
    const fault = expectError(
      await t.call('POST', '/api/v1/runs', { source: escaped }),
      'INVALID_DEFINITION',
    );
    expect(fault.message).toMatch(/^the definition:3:32: this text holds a NUL character/);
    expectError(await t.call('GET', '/api/v1/runs/%00'), 'INVALID_REQUEST');
    expectError(await t.call('GET', `/api/v1/runs/${'x'.repeat(300)}`), 'INVALID_REQUEST');
    expectError(await t.call('GET', '/api/v1/runs?name=%00'), 'INVALID_REQUEST');
    expectError(await t.call('GET', '/api/v1/datasets?name=%00'), 'INVALID_REQUEST');
    expectError(await t.call('GET', '/api/v1/charts?run=%00&key=x'), 'INVALID_REQUEST');
    expectError(
      await t.call('POST', '/api/v1/runs', { source: ONE }, { headers: { 'idempotency-key': '' } }),
      'INVALID_REQUEST',
    );
    const id = await t.submit(ONE);
    const runId = (await t.tree(id)).children[0]!.id;
    expectError(await t.call('GET', `/api/v1/runs/${runId}/log?attempt=9007199254740991`), 'INVALID_REQUEST');
    expectError(
      await t.call('POST', '/api/v1/tokens', {
        name: 'x',
        scopes: ['agent'],
        expiresInMs: Number.MAX_SAFE_INTEGER,
      }),
      'INVALID_REQUEST',
    );
  });
});

describe('the server', () => {
  it('says that it lives and is ready, and what it is', async () => {
    expect((await t.call('GET', '/healthz')).body).toEqual({ status: 'ok' });
    expect((await t.call('GET', '/readyz')).body).toEqual({ status: 'ready' });
    expect((await t.call('GET', '/api/v1/info')).body).toMatchObject({ auth: 'open', database: 'external' });
  });

  it('counts what it does for Prometheus', async () => {
    const agent = await t.agent({ queues: ['counted'] });
    const id = await t.submit('name: c\nstages:\n  - { name: a, job: { command: x, queue: counted } }\n');
    await agent.report(await agent.take('a'), { outcome: 'completed' });
    await t.treeWhen(id, ({ status }) => status === 'completed');
    const { text, headers } = await t.call<string>('GET', '/metrics');
    expect(headers['content-type']).toMatch(/^text\/plain/);
    expect(text).toMatch(/^trainyard_runs_finished_total\{status="completed",kind="job"\} 1$/m);
    expect(text).toMatch(/^trainyard_owned_trees \d+$/m);
  });

  it('tells how much of agents and pools is taken, and what waits', async () => {
    await t.call('PUT', '/api/v1/pools/gauged', { slots: 3 });
    const stage = (name: string) =>
      `  - { name: ${name}, job: { command: x, queue: gauged }, pools: [{ name: gauged, slots: 2 }] }\n`;
    await t.submit(`name: g\nstages:\n${stage('a')}${stage('b')}`);
    const figures = async () => {
      const { text } = await t.call<string>('GET', '/metrics');
      return text.split('\n').filter((line) => /gauged/.test(line) && !line.startsWith('#'));
    };
    expect(await figures()).toEqual([
      'trainyard_pool_slots{pool="gauged",state="busy"} 0',
      'trainyard_pool_slots{pool="gauged",state="free"} 3',
      'trainyard_queued_attempts{queue="gauged"} 2',
    ]);
    const agent = await t.agent({ queues: ['gauged'], name: 'gauged' });
    const held = await agent.take();
    const slots = (await figures()).filter((line) => line.includes('agent'));
    expect(slots[0]).toBe('trainyard_agent_slots{agent="gauged",state="busy"} 1');
    expect(slots[1]).toMatch(/^trainyard_agent_slots\{agent="gauged",state="free"\} \d+$/);
    expect((await figures()).slice(2)).toEqual([
      'trainyard_pool_slots{pool="gauged",state="busy"} 2',
      'trainyard_pool_slots{pool="gauged",state="free"} 1',
      'trainyard_queued_attempts{queue="gauged"} 1',
    ]);
    await agent.report(held, { outcome: 'completed' });
    expect(await figures()).toContain('trainyard_pool_slots{pool="gauged",state="busy"} 0');
  });

  it('takes good reports although a bad one came with them, and keeps what cannot be stored readable', async () => {
    const agent = await t.agent({ queues: ['mixed'] });
    const id = await t.submit(
      'name: m\nstages:\n  - { name: a, job: { command: x, queue: mixed } }\n  - { name: b, job: { command: x, queue: mixed } }\n',
    );
    const [a, b] = [await agent.take('a'), await agent.take('b')];
    const results = await Promise.all([
      agent.report(a, {
        outcome: 'failed',
        exitCode: 1,
        error: { code: 'exit_code', message: 'NUL \u0000 and \ud800' },
        outputs: { 'k\u0000': ['\u0000'] },
      }),
      agent.report(b, { outcome: 'completed' }),
    ]);
    expect(results.map((result) => result.ok)).toEqual([true, true]);
    const tree = await t.treeWhen(id, ({ status }) => status === 'failed');
    expect(tree.children[0]!.error).toMatchObject({ code: 'exit_code', message: 'NUL \ufffd and \ufffd' });
    expect(tree.children[0]!.outputs).toEqual({ 'k\ufffd': ['\ufffd'] });
    for (const at of [1e300, -1e300]) {
      const report = { kind: 'started', attemptId: 'x', epoch: 1, token: 'x', at };
      expectError(await t.call('POST', '/api/v1/reports', { reports: [report] }), 'INVALID_REQUEST');
    }
  });
});
