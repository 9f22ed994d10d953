import type { RunPlan, StartedRun } from '@trainyard/protocol';
import { afterEach, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { testDatabases } from '../testing/index.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const SOURCE = `
name: planned
params: { rows: { type: integer, default: 3 }, list: { type: json, default: [1, 2] } }
stages:
  - { name: prepare, cache: { code: [] }, job: { command: 'prepare \${{ params.rows }}' } }
  - name: sweep
    dependsOn: [prepare]
    pipeline:
      stages:
        - { name: small, job: { command: 'small \${{ stages.prepare.outputs.file }}' } }
        - { name: large, dependsOn: [small], job: { command: [large, '\${{ params.rows + 1 }}'], queue: gpu } }
  - { name: tune, foreach: { item: lr, in: '\${{ params.list }}' }, job: { command: 'fit \${{ item.lr }}' } }
  - { name: never, when: '\${{ params.rows > 100 }}', job: { command: x } }
  - { name: broken, job: { command: '\${{ params.rows / 0 }}' } }
`;

let t: TestServer;
afterEach(() => t.end());

const plan = async (body: object) =>
  (await t.call<RunPlan>('POST', '/api/v1/runs', { source: SOURCE, dryRun: true, ...body })).body;
const told = ({ stages }: RunPlan) =>
  Object.fromEntries(
    stages.map(({ path, outcome, reason }) => [path, reason === null ? outcome : `${outcome}: ${reason}`]),
  );

it('warns of what nobody has, and says of a stage that may run on what that depends', async () => {
  t = await startTestServer(testDatabases()[0]!);
  await t.agent();
  await t.call('PUT', '/api/v1/pools/lic', { slots: 2 });
  const as = { token: t.server.adminToken };
  await t.call('POST', '/api/v1/tokens', { name: 'root', scopes: ['admin'] }, as);
  await t.call('POST', '/api/v1/tokens', { name: 'ada', scopes: ['user'] }, as);
  await t.call('POST', '/api/v1/tokens', { name: 'eve', scopes: ['viewer'] }, as);
  const source = `
name: waits
stages:
  - { name: labelled, job: { command: x, labels: { gpu: h100 } } }
  - { name: licensed, pools: [{ name: lic, slots: 3 }], job: { command: x } }
  - { name: fits, pools: [{ name: lic, slots: 2 }], job: { command: x } }
  - { name: asked, approval: { message: Go?, approvers: [eve, bob] } }
  - { name: known, approval: { message: Go?, approvers: [ada] } }
  - { name: timed, approval: { message: Go?, approvers: [bob], timeout: 1h } }
  - { name: clean, dependsOn: [fits], triggerRule: one_failed, job: { command: x } }
  - { name: alarm, hook: onFailure, job: { command: x } }
  - { name: undo, hook: onCancel, job: { command: x } }
`;
  const { body } = await t.call<RunPlan>('POST', '/api/v1/runs', { source, dryRun: true }, as);
  const atSubmit = [
    { path: 'licensed', message: expect.stringMatching(/^it needs 3 slots of the pool "lic", which has 2/) },
    { path: 'asked', message: expect.stringMatching(/^none of its approvers \(eve, bob\) is the name/) },
  ];
  expect(body.warnings).toEqual([
    ...atSubmit,
    { path: 'labelled', message: expect.stringContaining('has the labels gpu=h100') },
  ]);
  expect(told(body)).toMatchObject({
    fits: 'run',
    clean: 'run: only if a dependency fails',
    alarm: 'run: only if its level fails or times out',
    undo: 'run: only if its level is cancelled',
  });
  const { body: started } = await t.call<StartedRun>('POST', '/api/v1/runs', { source }, as);
  expect(started).toEqual({ id: expect.any(String), warnings: atSubmit });
});

it('tells what a run would do and stores nothing', async () => {
  t = await startTestServer(testDatabases()[0]!);
  const first = await plan({ params: { rows: 4 } });
  expect(first).toMatchObject({ name: 'planned', params: { rows: 4, list: [1, 2] } });
  expect(first.warnings[0]).toEqual({ path: 'prepare', message: 'no agent is online' });
  await t.agent();
  const second = await plan({ params: { rows: 4 } });
  expect(second.warnings).toEqual([
    { path: 'sweep/large', message: 'no agent that is online serves the queue "gpu"' },
  ]);
  expect(told(second)).toEqual({
    prepare: 'run',
    sweep: 'run',
    'sweep/small': 'run',
    'sweep/large': 'run',
    tune: 'run',
    'tune[0]': 'run',
    'tune[1]': 'run',
    never: 'skipped: condition',
    broken: expect.stringMatching(/^failed: .*division by zero/i),
  });
  const at = (path: string) => second.stages.find((stage) => stage.path === path);
  expect(at('prepare')).toMatchObject({ command: 'prepare 4', isResolved: true, layer: 1, queue: 'default' });
  expect(at('sweep/small')).toMatchObject({ isResolved: false, layer: 1 });
  expect(at('sweep/large')).toMatchObject({ command: ['large', '5'], isResolved: true, layer: 2 });
  expect(at('sweep')).toMatchObject({ kind: 'pipeline', layer: 2, queue: null, command: null });
  expect(at('tune')).toMatchObject({ foreach: true });
  expect(at('tune[1]')).toMatchObject({ command: 'fit 2' });
  for (const table of ['runs', 'cache']) {
    expect((await t.call<{ items: [] }>('GET', `/api/v1/${table}`)).body.items).toEqual([]);
  }
});

it('lists items behind their foreach and in its layer, and what is inside of them in layers of their own', async () => {
  t = await startTestServer(testDatabases()[0]!);
  const source = `
name: layers
stages:
  - { name: last, dependsOn: [tune], job: { command: x } }
  - name: tune
    dependsOn: [never]
    triggerRule: all_done
    foreach: { item: lr, in: [1, 2] }
    pipeline:
      stages:
        - { name: fit, job: { command: x } }
        - { name: check, dependsOn: [fit], job: { command: x } }
  - { name: never, when: false, job: { command: x } }
`;
  const { stages } = await plan({ source });
  expect(stages.map(({ path, layer }) => [path, layer])).toEqual([
    ['last', 3],
    ['tune', 2],
    ['tune[0]', 2],
    ['tune[0]/fit', 1],
    ['tune[0]/check', 2],
    ['tune[1]', 2],
    ['tune[1]/fit', 1],
    ['tune[1]/check', 2],
    ['never', 1],
  ]);
});

it('tells what would be left out, found in the cache, or kept', async () => {
  t = await startTestServer(testDatabases()[0]!);
  const agent = await t.agent();
  const id = await t.submit(SOURCE, { only: ['sweep/small'] });
  await agent.report(await agent.take('prepare'), { outcome: 'completed', outputs: { file: 'a.csv' } });
  await agent.report(await agent.take('sweep/small'), { outcome: 'failed', exitCode: 1, error: null });
  await t.treeWhen(id, ({ endedAt }) => endedAt !== null);

  const cached = await plan({ only: ['sweep'] });
  expect(told(cached)).toMatchObject({
    prepare: 'cached',
    'sweep/small': 'run',
    tune: 'skipped: not_selected',
  });
  const small = (of: RunPlan) => of.stages.find(({ path }) => path === 'sweep/small');
  expect(small(cached)).toMatchObject({ command: 'small a.csv', isResolved: true });

  const retry = await t.call<RunPlan>('POST', `/api/v1/runs/${id}/retry`, { dryRun: true });
  expect(told(retry.body)).toMatchObject({
    prepare: 'kept',
    'sweep/small': 'run',
    broken: 'skipped: not_selected',
  });
  expect((await t.call<{ items: unknown[] }>('GET', '/api/v1/runs')).body.items).toHaveLength(1);
});

it('says of cached stages when it is decided whether their result is known', async () => {
  t = await startTestServer(testDatabases()[0]!);
  const source = `
name: files
stages:
  - { name: read, cache: { inputs: [a.csv] }, job: { command: x } }
  - { name: plain, cache: { code: [] }, job: { command: x } }
  - { name: later, dependsOn: [plain], when: '\${{ 1 < 2 }}', cache: { code: [] }, job: { command: x } }
  - { name: judge, dependsOn: [read], cache: true, job: { command: x } }
  - { name: never, cache: false, job: { command: x } }
`;
  const may = 'may be taken from the cache (decided when';
  expect(told(await plan({ source }))).toEqual({
    read: `run: ${may} an agent has read its files)`,
    plain: 'run',
    later: `run: only if its condition holds; ${may} what it depends on has ended)`,
    judge: `run: ${may} an agent has read its files)`,
    never: 'run',
  });
  expect(told(await plan({ source, noCache: true }))).toMatchObject({ read: 'run', judge: 'run' });
});

it('is refused like a run', async () => {
  t = await startTestServer(testDatabases()[0]!);
  const refused = (body: object) => t.call('POST', '/api/v1/runs', { source: SOURCE, dryRun: true, ...body });
  expectError(await refused({ params: { row: 1 } }), 'INVALID_PARAMS');
  expectError(await refused({ only: ['nothing'] }), 'INVALID_REQUEST');
  expectError(await refused({ source: 'name: x' }), 'INVALID_DEFINITION');
  const pool = 'name: x\nstages:\n  - { name: a, pools: [gone], job: { command: x } }\n';
  expectError(await refused({ source: pool }), 'UNKNOWN_POOL');
});
