import {
  type Assignment,
  EVENT_TYPES,
  type FindingInfo,
  type RunEvent,
  type RunHealth,
} from '@trainyard/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStalledWatch } from '../diagnosis/stalled-runs.ts';
import { createLiveBus } from '../live/live-bus.ts';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases } from '../testing/index.ts';
import type { ScriptedAgent } from '../testing/scripted-agent.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const PIPELINE = `
name: learn
diagnosis: { rules: { plateau: { patience: 3 } } }
stages:
  - name: inner
    pipeline:
      stages:
        - { name: train, job: { command: work } }
`;

let t: TestServer;
afterEach(() => t.end());

const lines = (key: string, values: readonly (number | string)[], from = 0): string =>
  values.map((value, at) => `${JSON.stringify({ step: from + at, [key]: value })}\n`).join('');

async function findings(query: string): Promise<FindingInfo[]> {
  const answer = await t.call<{ items: FindingInfo[] }>('GET', `/api/v1/findings?${query}`);
  return expectStatus(answer, 200).items;
}

async function running(source = PIPELINE): Promise<{ root: string; agent: ScriptedAgent; job: Assignment }> {
  const root = await t.submit(source);
  const agent = await t.agent();
  const job = await agent.take();
  await agent.report(job, 'started');
  return { root, agent, job };
}

describeDatabases('the diagnosis of runs', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
  });

  it('finds trouble as it arrives, tells it in events, and closes it when it is over', async () => {
    const { root, agent, job } = await running();
    const bad = lines('train_loss', [1, 'NaN']);
    const falling = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05];
    await agent.append(job, 'metrics', 0, bad);
    const [found] = await eventually(async () => {
      const open = await findings(`run=${root}&open=true`);
      return open.length > 0 ? open : undefined;
    });
    expect(found).toMatchObject({
      pipeline: 'learn',
      path: 'inner/train',
      attempt: 1,
      rule: 'non_finite',
      key: 'train_loss',
      severity: 'critical',
      action: 'alert',
      firstStep: 1,
      closedAt: null,
    });
    const { body: health } = await t.call<RunHealth>('GET', `/api/v1/runs/${job.spec.runId}/health`);
    expect(health).toMatchObject({ score: 50, status: 'warning', findings: [{ id: found!.id }] });
    await agent.append(job, 'metrics', bad.length, lines('train_loss', falling, 2));
    await eventually(async () => ((await findings(`run=${root}&open=true`)).length === 0 ? true : undefined));
    const events = await eventually(async () => {
      const { body } = await t.call<{ items: RunEvent[] }>('GET', `/api/v1/runs/${root}/events`);
      const told = body.items.filter(({ type }) => type.startsWith('finding.'));
      return told.length >= 2 ? told : undefined;
    });
    expect(events.map(({ type, path }) => [type, path])).toEqual([
      ['finding.opened', 'inner/train'],
      ['finding.closed', 'inner/train'],
    ]);
    for (const { type, data } of events) {
      const fields = EVENT_TYPES[type as 'finding.opened'].split(' data: ')[1]!.replace('.', '').split(', ');
      expect(Object.keys(data).toSorted()).toEqual(fields.toSorted());
    }
  });

  it('takes its parameters from the pipeline around a stage', async () => {
    const { root, agent, job } = await running();
    await agent.append(job, 'metrics', 0, lines('loss', [1, 1, 1, 1]));
    const [found] = await eventually(async () => {
      const all = await findings(`run=${root}`);
      return all.length > 0 ? all : undefined;
    });
    expect(found).toMatchObject({ rule: 'plateau', severity: 'medium', action: 'note', lastStep: 3 });
  });

  it('goes on where another server has begun', async () => {
    const { root, agent, job } = await running();
    const before = lines('loss', [1, 1, 1]);
    await agent.append(job, 'metrics', 0, before);
    const peer = await t.peer();
    const path = `/api/v1/attempts/${job.spec.attemptId}/streams/metrics?offset=${before.length}&epoch=1`;
    const headers = { 'content-type': 'application/octet-stream' };
    const answer = await peer.call('POST', path, lines('loss', [1], 3), { headers, token: job.token });
    expectStatus(answer, 200);
    const found = await eventually(async () => {
      const all = await findings(`run=${root}`);
      return all.length > 0 ? all : undefined;
    });
    expect(found).toMatchObject([{ rule: 'plateau', firstStep: 0, lastStep: 3 }]);
  });

  it('keeps what it says of an open finding current, and tells no event of that', async () => {
    const { root, agent, job } = await running();
    const first = lines('kl/mean', [3]);
    await agent.append(job, 'metrics', 0, first);
    await eventually(async () => ((await findings(`run=${root}`)).length > 0 ? true : undefined));
    await agent.append(job, 'metrics', first.length, lines('kl/mean', [2.5, 2.25], 1));
    await agent.report(job, { outcome: 'completed' });
    await t.treeWhen(root, (tree) => tree.status === 'completed');
    const message = 'kl/mean is 2.25 at step 2, above its limit of 1; its highest was 3 at step 0.';
    const found = await eventually(async () => {
      const [finding] = await findings(`run=${root}`);
      return finding!.message === message ? finding : undefined;
    });
    expect(found).toMatchObject({ severity: 'critical', firstStep: 0, lastStep: 2, closedAt: null });
    const { body } = await t.call<{ items: RunEvent[] }>('GET', `/api/v1/runs/${root}/events`);
    expect(body.items.filter(({ type }) => type.startsWith('finding.'))).toHaveLength(1);
  });

  it('keeps a reward in mind that fell longer ago than another server reads back', async () => {
    const { root, agent, job } = await running();
    const before = lines('reward', [...Array(100).fill(10), ...Array(2500).fill(2)]);
    await agent.append(job, 'metrics', 0, before);
    const [open] = await eventually(async () => {
      const all = await findings(`run=${root}`);
      return all.length > 0 ? all : undefined;
    });
    const peer = await t.peer();
    const path = `/api/v1/attempts/${job.spec.attemptId}/streams/metrics?offset=${before.length}&epoch=1`;
    const headers = { 'content-type': 'application/octet-stream' };
    const send = { headers, token: job.token };
    expectStatus(await peer.call('POST', path, lines('reward', Array(40).fill(3), 2600), send), 200);
    await agent.report(job, { outcome: 'completed' });
    await t.treeWhen(root, (tree) => tree.status === 'completed');
    // Of the time between, it has only the last points.
    const message = /^reward fell by 80 %, from 10 at step 99 to 2 at step \d+; it is 3 at step 2639\.$/;
    await eventually(async () => {
      const all = await findings(`run=${root}`);
      expect(all).toMatchObject([{ id: open!.id, closedAt: null }]);
      return message.test(all[0]!.message) ? true : undefined;
    });
  });

  it('lists alerts of all runs until somebody has seen them', async () => {
    const { agent, job } = await running();
    await agent.append(job, 'metrics', 0, lines('loss', ['Infinity', 1, 1, 1, 1]));
    const unseen = await eventually(async () => {
      const alerts = await findings('unseen=true');
      return alerts.length > 0 ? alerts : undefined;
    });
    expect(unseen.map(({ rule }) => rule)).toEqual(['non_finite']);
    const path = `/api/v1/findings/${unseen[0]!.id}/acknowledge`;
    const seen = expectStatus(await t.call<FindingInfo>('POST', path), 200);
    expect(seen.acknowledgedBy).toBe('open server');
    expect(expectStatus(await t.call<FindingInfo>('POST', path), 200)).toEqual(seen);
    expect(await findings('unseen=true')).toEqual([]);
    expectError(await t.call('POST', '/api/v1/findings/fnd_none/acknowledge'), 'NOT_FOUND');
    expectError(await t.call('GET', '/api/v1/runs/run_none/health'), 'NOT_FOUND');
  });

  it('finds a running job that has stopped to write, and that it writes again', async () => {
    const { root, agent, job } = await running();
    const first = lines('accuracy', [1, 2]);
    await agent.append(job, 'metrics', 0, first);
    await t.treeWhen(root, (tree) => tree.children[0]!.children[0]!.status === 'running');
    const at = (minutes: number) =>
      createStalledWatch({
        database: t.server.database,
        bus: createLiveBus(),
        now: () => Date.now() + minutes * 60_000,
      }).look();
    await at(29);
    expect(await findings(`run=${root}`)).toEqual([]);
    await at(31);
    await at(32);
    expect(await findings(`run=${root}`)).toMatchObject([
      { rule: 'stalled', severity: 'high', action: 'alert', closedAt: null, firstStep: null },
    ]);
    await agent.append(job, 'metrics', first.length, lines('accuracy', [3], 2));
    await at(1);
    const [over] = await findings(`run=${root}`);
    expect(over!.closedAt).not.toBeNull();
  });

  it('has its time anew after a pause, however long that was', async () => {
    const { root, agent, job } = await running();
    const at = (minutes: number) =>
      createStalledWatch({
        database: t.server.database,
        bus: createLiveBus(),
        now: () => Date.now() + minutes * 60_000,
      }).look();
    const { attemptId, epoch } = job.spec;
    const halt = async (what: object) => {
      const report = { attemptId, epoch, token: job.token, at: Date.now(), ...what };
      expectStatus(await t.call('POST', '/api/v1/reports', { reports: [report] }), 200);
    };
    const { pool } = t.server.database;
    await agent.append(job, 'metrics', 0, lines('accuracy', [1, 2]));
    await t.treeWhen(root, (tree) => tree.children[0]!.children[0]!.status === 'running');
    await halt({ kind: 'paused', mode: 'freeze' });
    await pool.query(
      "update stream_chunks set received_at = now() - interval '5 hours' where attempt_id = $1",
      [job.spec.attemptId],
    );
    await halt({ kind: 'resumed' });
    await at(29);
    expect(await findings(`run=${root}`)).toEqual([]);
    await at(31);
    expect(await findings(`run=${root}`)).toMatchObject([{ rule: 'stalled', closedAt: null }]);
  });

  it('goes by the distance of its own points, not of what the agent measures', async () => {
    const { root, agent, job } = await running();
    await agent.append(job, 'metrics', 0, lines('accuracy', [1, 2]));
    const measured = Array.from(
      { length: 600 },
      (_, n) => `{"step":${n},"system/cpu/utilization_percent":1}`,
    );
    await agent.append(job, 'system', 0, `${measured.join('\n')}\n`);
    await t.treeWhen(root, (tree) => tree.children[0]!.children[0]!.status === 'running');
    const { pool } = t.server.database;
    await pool.query("update attempts set started_at = now() - interval '100 minutes' where root_id = $1", [
      root,
    ]);
    const now = () => Date.now() + 60 * 60_000;
    await createStalledWatch({ database: t.server.database, bus: createLiveBus(), now }).look();
    expect(await findings(`run=${root}`)).toEqual([]);
  });
});

describeDatabases('a finding that ends its job', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
  });

  it('has the agent end it; the stage fails with what was found and is not tried again', async () => {
    const source = `
name: stops
diagnosis: { stopOn: critical }
stages: [{ name: s, job: { command: work }, retry: { attempts: 3, backoff: 0 } }]`;
    const { root, agent, job } = await running(source);
    await agent.append(job, 'metrics', 0, lines('loss', [1, 'NaN']));
    const held = [{ attemptId: job.spec.attemptId, epoch: 1, cancelling: false }];
    const command = await eventually(async () => (await agent.claim({ held })).body.commands[0]);
    expect(command).toMatchObject({ attemptId: job.spec.attemptId, action: 'cancel' });
    const end = { outcome: 'cancelled', signal: 'SIGTERM', exitCode: 143 } as const;
    expect(await agent.report(job, end)).toMatchObject({ ok: true });
    // A repeat after a lost answer.
    expect(await agent.report(job, end)).toMatchObject({ ok: true });
    const { children } = await t.treeWhen(root, (tree) => tree.status === 'failed');
    expect(children[0]).toMatchObject({
      status: 'failed',
      attempt: 1,
      error: { code: 'diagnosis', message: 'loss is NaN at step 1.' },
    });
    expect(await findings(`run=${root}`)).toMatchObject([{ action: 'stop', severity: 'critical' }]);
  });

  it('leaves a job alone that has ended by itself meanwhile', async () => {
    const source =
      'name: done\ndiagnosis: { stopOn: critical }\nstages: [{ name: s, job: { command: work } }]';
    const { root, agent, job } = await running(source);
    await agent.append(job, 'metrics', 0, lines('loss', ['NaN']));
    await eventually(async () => ((await findings(`run=${root}`)).length > 0 ? true : undefined));
    await agent.report(job, { outcome: 'completed' });
    await t.treeWhen(root, (tree) => tree.status === 'completed');
  });
});

describe('what a pipeline says of diagnosis', () => {
  beforeEach(async () => {
    t = await startTestServer();
  });

  it('is refused where it has no meaning, or is misspelt', async () => {
    const refused = async (source: string) =>
      expectError(await t.call('POST', '/api/v1/runs', { source }), 'INVALID_DEFINITION').message;
    const stage = (text: string) => `{ name: p, stages: [{ name: s, ${text} }] }`;
    expect(await refused(stage('approval: { message: ok }, diagnosis: false'))).toContain(
      '"diagnosis" is only',
    );
    expect(await refused(stage('job: { command: a }, diagnosis: { rules: { platoo: true } }'))).toContain(
      'platoo',
    );
    expect(
      await refused(stage('job: { command: a }, diagnosis: { rules: { plateau: { patience: 0 } } }')),
    ).toContain('patience');
  });

  it('can turn rules and the whole of it off', async () => {
    const source = 'name: off\ndiagnosis: false\nstages: [{ name: s, job: { command: a } }]';
    const { root, agent, job } = await running(source);
    await agent.append(job, 'metrics', 0, lines('loss', ['NaN']));
    await agent.report(job, { outcome: 'completed' });
    await t.treeWhen(root, (tree) => tree.status === 'completed');
    expect(await findings(`run=${root}`)).toEqual([]);
  });
});
