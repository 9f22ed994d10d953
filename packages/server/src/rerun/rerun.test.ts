import type { ErrorCode, RunTree, StreamName } from '@trainyard/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases, testDatabases } from '../testing/index.ts';
import type { ScriptedAgent } from '../testing/scripted-agent.ts';
import { type Answer, startTestServer, type TestServer } from '../testing/test-server.ts';
import { at, hasQueued, playTree } from './testing/play-tree.ts';

const NESTED = `
name: nested
params: { rows: { type: integer, default: 3 }, size: { type: integer, default: 1 } }
stages:
  - { name: prepare, job: { command: 'prepare \${{ params.rows }}' } }
  - name: sweep
    dependsOn: [prepare]
    pipeline:
      stages:
        - { name: small, job: { command: 'small \${{ stages.prepare.outputs.file }}' } }
        - { name: large, job: { command: 'large \${{ params.size }}' } }
  - { name: report, dependsOn: [sweep], job: { command: 'report \${{ stages.sweep.outputs.small.score }}' } }
`;

let t: TestServer;
let agent: ScriptedAgent;
afterEach(() => t.end());

const play = (id: string, failing: readonly string[] = []) => playTree({ t, agent }, id, failing);

function refused(answer: Answer<unknown>, status: number, code: ErrorCode, message: RegExp): void {
  expect(answer.status).toBe(status);
  expect(expectError(answer, code).message).toMatch(message);
}

const retry = (id: string, body: object = {}, headers: Record<string, string> = {}) =>
  t.call<{ id: string }>('POST', `/api/v1/runs/${id}/retry`, body, { headers });

// Scenarios 32, 40, 54 and 55 of the edge cases.
describeDatabases('a re-run', (engine) => {
  it('runs what failed and what was skipped by it, and keeps the rest with its outputs', async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    const first = await t.submit(NESTED, { params: { rows: 7 }, baseDir: '/somewhere' });
    const before = (await play(first, ['sweep/large'])).tree;
    expect(before.status).toBe('failed');

    const { status, body } = await retry(first);
    expect(status).toBe(201);
    const { tree, ran } = await play(body.id);
    expect(ran).toEqual(['sweep/large', 'report']);
    expect(tree).toMatchObject({ status: 'completed', rerunOf: first, params: { rows: 7, size: 1 } });
    const small = at(tree, 'sweep/small');
    expect(small).toMatchObject({
      status: 'completed',
      reason: 'kept',
      keptFrom: at(before, 'sweep/small').id,
      outputs: { score: 'sweep/small'.length },
      attempt: 0,
    });
    expect(at(tree, 'report').params).toEqual({ rows: 7, size: 1 });
    const { items } = (await t.call<{ items: { type: string }[] }>('GET', `/api/v1/runs/${small.id}/events`))
      .body;
    expect(items.map(({ type }) => type)).toEqual(['run.ready', 'run.kept', 'run.finished']);
    // The old run is as it was.
    expect(await t.tree(first)).toEqual(before);

    // What was kept once is kept again, and still says who did the work.
    const again = await retry(body.id, { stages: ['report'] });
    const last = await play(again.body.id);
    expect(last.ran).toEqual(['report']);
    expect(at(last.tree, 'sweep/small').keptFrom).toBe(at(before, 'sweep/small').id);
    expect(at(last.tree, 'sweep/large').keptFrom).toBe(at(tree, 'sweep/large').id);
  });

  it('keeps the same after another server has taken it over', async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    const first = await t.submit(
      `
name: one-by-one
maxParallel: 1
stages:
  - { name: bad, job: { command: bad } }
  - { name: good, job: { command: good } }
  - { name: left-out, job: { command: left } }
`,
      { only: ['bad', 'good'] },
    );
    const before = await play(first, ['bad']);
    expect(before.ran).toEqual(['bad', 'good']);
    const second = (await retry(first)).body.id;
    // The kept stage waits for the place of its level: it is handed out by the next server.
    expect(at(await t.treeWhen(second, hasQueued), 'good').status).toBe('pending');
    const peer = await t.peer();
    await t.server.stop();
    t = { ...t, call: peer.call, tree: peer.tree, treeWhen: peer.treeWhen };
    agent = await peer.agent();
    const { ran, tree } = await play(second);
    expect(ran).toEqual(['bad']);
    expect(at(tree, 'good')).toMatchObject({ status: 'completed', keptFrom: at(before.tree, 'good').id });
    expect(at(tree, 'left-out').reason).toBe('not_selected');
  });
});

describe('a re-run', () => {
  const start = async () => {
    t = await startTestServer(testDatabases()[0]!);
    agent = await t.agent();
  };

  it('goes on where a cancel had ended a run', async () => {
    await start();
    const first = await t.submit(NESTED);
    const prepare = await agent.take('prepare');
    await agent.report(prepare, { outcome: 'completed', outputs: { file: 'x' } });
    await t.treeWhen(first, (tree) => at(tree, 'sweep/small').status === 'queued');
    await t.call('POST', `/api/v1/runs/${first}/cancel`, {});
    await t.treeWhen(first, (tree) => tree.endedAt !== null);
    const { tree, ran } = await play((await retry(first)).body.id);
    expect(ran.sort()).toEqual(['report', 'sweep/large', 'sweep/small']);
    expect(tree.status).toBe('completed');
  });

  it('that fails again ends failed, although a handler of failures ran', async () => {
    await start();
    const first = await t.submit(`
name: handled
stages:
  - { name: work, job: { command: work } }
  - { name: tell, dependsOn: [work], triggerRule: one_failed, job: { command: tell } }
`);
    expect((await play(first, ['work'])).ran).toEqual(['work', 'tell']);
    const { tree, ran } = await play((await retry(first)).body.id, ['work']);
    expect(ran).toEqual(['work', 'tell']);
    expect(tree).toMatchObject({ status: 'failed', error: { path: 'work' } });
    const healed = await play((await retry(tree.id)).body.id);
    expect(healed.ran).toEqual(['work']);
    expect(at(healed.tree, 'tell')).toMatchObject({ status: 'skipped', reason: 'trigger_rule' });
    expect(healed.tree.status).toBe('completed');
  });

  it('keeps the items of a foreach that ended well, found by their values', async () => {
    await start();
    const foreach = `
name: tuned
params: { lrs: { type: json, default: [1, 2, 2, 3] } }
stages:
  - { name: list, job: { command: list } }
  - name: tune
    dependsOn: [list]
    foreach: { item: lr, in: '\${{ params.lrs }}' }
    pipeline:
      stages:
        - { name: fit, job: { command: 'fit \${{ item.lr }}' } }
        - { name: check, dependsOn: [fit], job: { command: 'check \${{ stages.fit.outputs.score }}' } }
  - { name: join, dependsOn: [tune], job: { command: join } }
`;
    const first = await t.submit(foreach);
    await play(first, ['tune[2]/check']);
    const same = await play((await retry(first)).body.id);
    expect(same.ran).toEqual(['tune[2]/check', 'join']);

    const longer = await play((await retry(same.tree.id, { params: { lrs: [0, 3, 2, 1, 2] } })).body.id);
    expect(longer.ran).toEqual(['tune[0]/fit', 'tune[0]/check', 'join']);
    const from = (path: string) => at(longer.tree, path).keptFrom;
    const old = (tree: RunTree, path: string) => at(tree, path).keptFrom ?? at(tree, path).id;
    expect(from('tune[1]/fit')).toBe(old(same.tree, 'tune[3]/fit'));
    expect(from('tune[4]/check')).toBe(old(same.tree, 'tune[2]/check'));
  });

  it('with other params runs again what names them', async () => {
    await start();
    const first = await t.submit(NESTED);
    await play(first, ['report']);
    const { ran, tree } = await play((await retry(first, { params: { size: 2 } })).body.id);
    expect(ran).toEqual(['sweep/large', 'report']);
    expect(tree.params).toEqual({ rows: 3, size: 2 });
    const all = await play((await retry(tree.id, { params: { rows: '4' } })).body.id);
    expect(all.ran.sort()).toEqual(['prepare', 'report', 'sweep/large', 'sweep/small']);
    refused(await retry(first, { params: { sise: 2 } }), 400, 'INVALID_PARAMS', /did you mean "size"/);
  });

  it('links the datasets of what it keeps, and takes no place of an agent for it', async () => {
    await start();
    const first = await t.submit(NESTED);
    const prepare = await agent.take('prepare');
    const dataset = {
      name: 'digits',
      sha256: 'a'.repeat(64),
      sizeBytes: 5,
      path: '/d',
      role: 'output' as const,
    };
    await agent.report(prepare, { outcome: 'completed', outputs: { file: 'x' }, datasets: [dataset] });
    await play(first, ['sweep/large']);
    const { tree } = await play((await retry(first)).body.id);
    const { id } = at(tree, 'prepare');
    const { body } = await t.call<{ items: { name: string }[] }>('GET', `/api/v1/runs/${id}/datasets`);
    expect(body.items).toMatchObject([{ name: 'digits', sha256: dataset.sha256 }]);
    const attempts = await t.call<{ items: unknown[] }>('GET', `/api/v1/runs/${id}/attempts`);
    expect(attempts.body.items).toEqual([]);
  });

  it('shows the log and the metrics of the run whose results it kept, under its own id', async () => {
    await start();
    const first = await t.submit(NESTED);
    const prepare = await agent.take('prepare');
    const send = async (stream: StreamName, text: string) =>
      expect((await agent.append(prepare, stream, 0, text)).status).toBe(200);
    await send('log', 'from before\n');
    await send('metrics', '{"step":1,"loss":0.5}\n');
    await agent.report(prepare, { outcome: 'completed', outputs: { file: 'x' } });
    await play(first, ['sweep/large']);
    const { tree } = await play(
      (await retry((await play((await retry(first)).body.id, ['report'])).tree.id)).body.id,
    );
    const { id } = at(tree, 'prepare');
    const get = async <T>(path: string) => (await t.call<T>('GET', `/api/v1/${path}`)).body;
    const { items } = await get<{ items: { text: string }[] }>(`runs/${id}/log/lines`);
    expect(items.map(({ text }) => text)).toEqual(['from before']);
    const point = { step: 1, value: 0.5 };
    expect(await get(`runs/${id}/metrics`)).toMatchObject({ loss: [point] });
    const own = { runId: id, key: 'loss', ...point };
    expect(await get(`runs/${id}/metrics/latest`)).toMatchObject({ items: [own] });
    expect(await get(`runs/${tree.id}/metrics/latest?tree=true`)).toMatchObject({
      items: [{ ...own, path: 'prepare' }],
    });
    const producer = at(tree, 'prepare').keptFrom!;
    const charts = await get<{ series: { runId: string }[] }>(`charts?run=${id}&run=${producer}&key=loss`);
    expect(charts.series.map(({ runId }) => runId).sort()).toEqual([producer, id].sort());
  });

  it('is refused with what to do instead', async () => {
    await start();
    const first = await t.submit(NESTED);
    refused(await retry(first), 409, 'CONFLICT', /is running. Only a run that has ended/);
    const { tree } = await play(first);
    refused(await retry(first), 409, 'CONFLICT', /nothing is left to run again/);
    refused(await retry('run_0'), 404, 'NOT_FOUND', /There is no run run_0/);
    const stage = at(tree, 'sweep/small').id;
    refused(await retry(stage), 400, 'INVALID_REQUEST', new RegExp(`"sweep/small" of run ${first}`));
    const unknown = await retry(first, { stages: ['sweep/smal'] });
    refused(unknown, 400, 'INVALID_REQUEST', /no stage "sweep\/smal"; did you mean "sweep\/small"/);
    refused(await retry(first, { stages: ['report'], all: true }), 400, 'INVALID_REQUEST', /not both/);
    const count = await t.call<{ items: unknown[] }>('GET', '/api/v1/runs');
    expect(count.body.items).toHaveLength(1);
  });

  it('is made once for one idempotency key', async () => {
    await start();
    const first = await t.submit(NESTED);
    await play(first);
    const key = { 'idempotency-key': 'again' };
    const one = await retry(first, { all: true }, key);
    const two = await retry(first, { all: true }, key);
    expect([one.status, two.status, two.body.id]).toEqual([201, 200, one.body.id]);
    refused(await retry(first, { stages: ['report'] }, key), 409, 'IDEMPOTENCY_MISMATCH', /another request/);
    expect((await play(one.body.id)).ran).toHaveLength(4);
  });
});

// Scenario 56 of the edge cases.
describe('a run of some stages only', () => {
  it('runs what they depend on, is no failure, and is limited in its re-run too', async () => {
    t = await startTestServer(testDatabases()[0]!);
    agent = await t.agent();
    const id = await t.submit(NESTED, { only: ['sweep/small'] });
    const first = await play(id, ['sweep/small']);
    expect(first.ran).toEqual(['prepare', 'sweep/small']);
    for (const path of ['sweep/large', 'report']) {
      expect(at(first.tree, path)).toMatchObject({ status: 'skipped', reason: 'not_selected' });
    }
    refused(await retry(id, { stages: ['report'] }), 400, 'INVALID_REQUEST', /limited to other stages/);
    const { ran, tree } = await play((await retry(id)).body.id);
    expect(ran).toEqual(['sweep/small']);
    expect(tree.status).toBe('completed');
  });

  it('is refused for a stage that is not there, and stores nothing', async () => {
    t = await startTestServer(testDatabases()[0]!);
    agent = await t.agent();
    const body = { source: NESTED, only: ['sweeep/small'] };
    refused(await t.call('POST', '/api/v1/runs', body), 400, 'INVALID_REQUEST', /did you mean "sweep"/);
    expect((await t.call<{ items: unknown[] }>('GET', '/api/v1/runs')).body.items).toEqual([]);
  });
});
