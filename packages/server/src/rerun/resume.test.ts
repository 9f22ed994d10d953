import type { ErrorCode, RunPlan } from '@trainyard/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases, testDatabases } from '../testing/index.ts';
import type { ScriptedAgent } from '../testing/scripted-agent.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';
import { at, hasQueued, playTree } from './testing/play-tree.ts';

const BROKEN = `
name: mend
params: { rows: { type: integer, default: 3 } }
stages:
  - { name: prepare, job: { command: 'prepare \${{ params.rows }}' } }
  - name: sweep
    dependsOn: [prepare]
    pipeline:
      stages:
        - { name: small, job: { command: 'small \${{ stages.prepare.outputs.file }}' } }
        - { name: large, job: { command: 'large --typo' } }
  - { name: tune, foreach: { item: lr, in: [1, 2] }, job: { command: 'fit \${{ item.lr }}' } }
  - { name: gone, job: { command: gone } }
  - { name: report, dependsOn: [sweep, tune], job: { command: report } }
`;
const MENDED = BROKEN.replace('--typo', '--right')
  .replace('in: [1, 2]', 'in: [3, 2, 1]')
  .replace('  - { name: gone, job: { command: gone } }\n', '  - { name: fresh, job: { command: fresh } }\n');

let t: TestServer;
let agent: ScriptedAgent;
afterEach(() => t.end());
const play = (id: string, failing: readonly string[] = []) => playTree({ t, agent }, id, failing);
const resume = (id: string, body: object = {}) =>
  t.call<{ id: string }>('POST', '/api/v1/runs', { source: MENDED, resumeFrom: id, ...body });

describeDatabases('a run that resumes from another with a mended file', (engine) => {
  it('keeps what ended well and is still asked for, and runs the rest: changed, new, failed', async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    const first = await t.submit(BROKEN);
    const before = (await play(first, ['sweep/large'])).tree;
    expect(before.status).toBe('failed');
    const { tree, ran } = await play((await resume(first)).body.id);
    expect(ran.sort()).toEqual(['fresh', 'report', 'sweep/large', 'tune[0]']);
    expect(tree).toMatchObject({ status: 'completed', rerunOf: first });
    expect(at(tree, 'sweep/small')).toMatchObject({
      keptFrom: at(before, 'sweep/small').id,
      outputs: at(before, 'sweep/small').outputs,
    });
    expect(at(tree, 'tune[2]').keptFrom).toBe(at(before, 'tune[0]').id);
    expect(at(tree, 'prepare').keptFrom).toBe(at(before, 'prepare').id);
  });

  it('keeps the same after another server has taken it over', async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    const first = await t.submit(BROKEN.replace('stages:', 'maxParallel: 1\nstages:'));
    const before = (await play(first, ['sweep/large'])).tree;
    const source = MENDED.replace('stages:', 'maxParallel: 1\nstages:');
    const second = (await resume(first, { source })).body.id;
    await t.treeWhen(second, hasQueued);
    const peer = await t.peer();
    await t.server.stop();
    t = { ...t, call: peer.call, tree: peer.tree, treeWhen: peer.treeWhen };
    agent = await peer.agent();
    const { tree, ran } = await play(second);
    expect(ran.sort()).toEqual(['fresh', 'report', 'sweep/large', 'tune[0]']);
    expect(at(tree, 'tune[1]').keptFrom).toBe(at(before, 'tune[1]').id);
  });
});

describe('a run that resumes from another', () => {
  it('says beforehand what would be kept, and why the rest would not', async () => {
    t = await startTestServer(testDatabases()[0]!);
    agent = await t.agent();
    const first = await t.submit(BROKEN);
    await play(first, ['sweep/large']);
    const { body } = await t.call<RunPlan>('POST', '/api/v1/runs', {
      ...{ source: MENDED, resumeFrom: first, dryRun: true, params: { rows: 4 } },
    });
    expect(
      Object.fromEntries(body.stages.map(({ path, outcome, notKept }) => [path, notKept ?? outcome])),
    ).toEqual({
      prepare: 'a param that it names has another value',
      sweep: 'run',
      'sweep/small': 'it depends on "prepare", which may end otherwise',
      'sweep/large': 'its definition has changed: job.command',
      tune: 'run',
      'tune[0]': 'the earlier run has no such stage',
      'tune[1]': 'kept',
      'tune[2]': 'kept',
      fresh: 'the earlier run has no such stage',
      report: expect.stringMatching(/^it depends on "(sweep|tune)"/),
    });
    const same = await t.call<RunPlan>('POST', `/api/v1/runs/${first}/retry`, { dryRun: true });
    const large = same.body.stages.find(({ path }) => path === 'sweep/large');
    expect(large).toMatchObject({ outcome: 'run', notKept: 'it ended failed there' });
  });

  it('is one request with its idempotency key, and refused for a run that goes on or is none', async () => {
    t = await startTestServer(testDatabases()[0]!);
    agent = await t.agent();
    const first = await t.submit(BROKEN);
    const refused = async (id: string, code: ErrorCode) => expectError(await resume(id), code).message;
    expect(await refused(first, 'CONFLICT')).toMatch(/is running. Only a run that has ended/);
    const { tree } = await play(first);
    expect(await refused('run_0', 'NOT_FOUND')).toMatch(/There is no run run_0/);
    expect(await refused(at(tree, 'sweep/small').id, 'INVALID_REQUEST')).toMatch(
      /is the stage "sweep\/small"/,
    );
    const headers = { 'idempotency-key': 'mended' };
    const send = (resumeFrom: string | undefined) =>
      t.call<{ id: string }>('POST', '/api/v1/runs', { source: MENDED, resumeFrom }, { headers });
    const [one, two] = [await send(first), await send(first)];
    expect([one.status, two.status, two.body.id]).toEqual([201, 200, one.body.id]);
    expectError(await send(undefined), 'IDEMPOTENCY_MISMATCH');
  });
});
