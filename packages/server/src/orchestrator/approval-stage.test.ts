import type { ApprovalInfo, Run } from '@trainyard/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { createApprovals, type Decision } from '../approvals/approvals.ts';
import type { Decider } from '../approvals/decider.ts';
import { parseDefinition } from '../definition/index.ts';
import { describeDatabases, testDatabases } from '../testing/index.ts';
import { eventually } from '../testing/test-server.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const REVIEW = `
name: review
params: { best: { type: number, default: 0.5 } }
stages:
  - name: ask
    approval:
      message: 'Ship \${{ params.best }}?'
      form:
        threshold: { type: number, default: '\${{ params.best * 2.0 }}' }
        channel: { type: string, choices: [beta, stable] }
  - { name: ship, dependsOn: [ask], job: { command: 'ship \${{ stages.ask.outputs.channel }} \${{ stages.ask.outputs.threshold }}' } }
  - { name: sorry, dependsOn: [ask], triggerRule: one_failed, job: { command: 'echo \${{ stages.ask.outputs.comment }}' } }
`;

const PLAIN = (rest: string) => `
name: plain
stages:
  - { name: ask, approval: { message: Go on?, ${rest} } }
  - { name: next, dependsOn: [ask], job: { command: 'true' } }
`;

const ada: Decider = { name: 'ada', scopes: ['user'], isTrusted: false };
const bob: Decider = { name: 'bob', scopes: ['user'], isTrusted: false };

describeDatabases('a stage that waits for a person', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  const start = async (yaml: string, params: Record<string, number> = {}) => {
    plane = await startControlPlane(engine);
    return plane.submit(yaml, { params });
  };
  const runAt = async (root: string, path: string) => (await plane.runs(root)).get(path)!;
  const approvals = () => createApprovals(plane);
  const decide = async (root: string, path: string, decision: Partial<Decision>) =>
    approvals().decide(
      await runAt(root, path),
      { status: 'approved', decider: ada, comment: null, inputs: {}, ...decision },
      Date.now(),
    );
  const until = (root: string, holds: (runs: Map<string, Run>) => boolean) =>
    eventually(async () => [await plane.runs(root)].find(holds));
  const ended = (root: string) => until(root, (runs) => runs.get('')!.endedAt !== null);
  const eventTypes = async (root: string) => {
    const rows = await plane.database.kysely
      .selectFrom('events')
      .select(['type', 'data', 'run_id'])
      .where('root_id', '=', root)
      .orderBy('seq')
      .execute();
    const { id } = await runAt(root, 'ask');
    return rows.filter((row) => row.run_id === id);
  };

  it('waits without attempt or agent, is approved with what the form asks, and hands that on', async () => {
    const root = await start(REVIEW, { best: 0.45 });
    const waiting = await runAt(root, 'ask');
    expect(waiting).toMatchObject({ kind: 'approval', status: 'waiting', endedAt: null });
    expect(waiting.startedAt).not.toBeNull();
    const agent = await plane.agent();
    expect(await plane.claim(agent)).toEqual([]);
    const { items } = await approvals().list({ status: 'waiting', limit: 10 });
    expect(items).toMatchObject([
      {
        path: 'ask',
        pipeline: 'review',
        message: 'Ship 0.45?',
        form: { threshold: { type: 'number', default: 0.9 } },
        approvers: null,
        timeoutAt: null,
      },
    ]);

    await decide(root, 'ask', { inputs: { channel: 'beta' }, comment: 'looks good' });
    const runs = await until(root, (now) => now.get('ask')!.endedAt !== null);
    expect(runs.get('ask')).toMatchObject({
      status: 'completed',
      outputs: {
        threshold: 0.9,
        channel: 'beta',
        decision: 'approved',
        decidedBy: 'ada',
        comment: 'looks good',
      },
    });
    expect(runs.get('sorry')!.status).toBe('skipped');
    const [ship] = await plane.claim(agent);
    expect(ship!.spec.command).toBe('ship beta 0.9');
    expect((await eventTypes(root)).map(({ type }) => type)).toEqual([
      'run.ready',
      'run.started',
      'approval.requested',
      'approval.decided',
      'run.finished',
    ]);
  });

  it('is rejected with a reason that failure handlers can read', async () => {
    const root = await start(REVIEW, { best: 0.5 });
    await decide(root, 'ask', { status: 'rejected', comment: 'too slow' });
    const runs = await until(root, (now) => now.get('ask')!.endedAt !== null);
    expect(runs.get('ask')).toMatchObject({
      status: 'failed',
      error: { code: 'rejected', message: 'rejected by ada: too slow' },
      outputs: { decision: 'rejected', decidedBy: 'ada', comment: 'too slow' },
    });
    expect(runs.get('ship')!.status).toBe('skipped');
    const [sorry] = await plane.claim(await plane.agent());
    expect(sorry!.spec.command).toBe('echo too slow');
  });

  it('stores nothing of missing, unknown or wrong inputs, names them all, and waits on', async () => {
    const root = await start(REVIEW, { best: 0.5 });
    const refused = decide(root, 'ask', { inputs: { threshold: 'high', chanel: 'beta' } });
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_PARAMS' });
    await expect(refused).rejects.toThrow(/chanel[\s\S]*threshold[\s\S]*channel/);
    await expect(decide(root, 'ask', { inputs: { channel: 'gold' } })).rejects.toThrow('"beta", "stable"');
    expect(await runAt(root, 'ask')).toMatchObject({ status: 'waiting', outputs: null });
    expect((await approvals().find((await runAt(root, 'ask')).id))!.status).toBe('waiting');
  });

  it('lets exactly one of two people decide, and tells the other one who has', async () => {
    const root = await start(PLAIN(''));
    const decisions = [ada, bob, ada, bob].map((decider, index) =>
      decide(root, 'ask', { decider, status: index < 2 ? 'approved' : 'rejected' }),
    );
    const results = await Promise.allSettled(decisions);
    const won = results.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
    expect(won).toHaveLength(1);
    const { decidedBy, status } = won[0]!;
    for (const lost of results) {
      if (lost.status === 'fulfilled') continue;
      expect(lost.reason).toMatchObject({ code: 'CONFLICT' });
      expect(lost.reason.message).toContain(`was ${status} by ${decidedBy} at 20`);
    }
    // The same again is no second decision.
    const again = await decide(root, 'ask', {
      decider: decidedBy === 'ada' ? ada : bob,
      status: status as 'approved',
    });
    expect(again).toEqual(won[0]);
    await until(root, (now) => now.get('ask')!.endedAt !== null);
    const decided = (await eventTypes(root)).filter(({ type }) => type === 'approval.decided');
    expect(decided).toMatchObject([{ data: { decision: status, decidedBy } }]);
  });

  it('takes in a decision that was stored while no server ran', async () => {
    const root = await start(PLAIN('timeout: 1h'));
    await plane.orchestrator.stop();
    await decide(root, 'ask', { comment: 'while it was down' });
    expect((await runAt(root, 'ask')).status).toBe('waiting');
    await plane.otherServer();
    const runs = await until(root, (now) => now.get('next')!.status === 'queued');
    expect(runs.get('ask')).toMatchObject({
      status: 'completed',
      outputs: { comment: 'while it was down' },
    });
  });

  it.each([
    ['reject', 'timed_out', { code: 'approval_timeout', message: 'nobody decided within 50 ms' }, null],
    ['approve', 'completed', null, { decision: 'approved', decidedBy: null, n: 3, comment: null }],
  ])(
    'when nobody decides in time and onTimeout is %s, ends %s',
    async (onTimeout, status, error, outputs) => {
      const root = await start(
        PLAIN(`timeout: 50ms, onTimeout: ${onTimeout}, form: { n: { type: integer, default: 3 } }`),
      );
      const ask = (await until(root, (now) => now.get('ask')!.endedAt !== null)).get('ask')!;
      expect(ask.status).toBe(status);
      if (error !== null) expect(ask.error).toMatchObject(error);
      if (outputs !== null) expect(ask.outputs).toEqual(outputs);
      const late = decide(root, 'ask', { status: status === 'completed' ? 'rejected' : 'approved' });
      await expect(late).rejects.toThrow('by its timeout at');
    },
  );

  it('counts the timeout from the request, also when the server was away', async () => {
    const root = await start(PLAIN('timeout: 300ms'));
    await plane.orchestrator.stop();
    const requested = (await approvals().list({ root, limit: 1 })).items[0]!;
    expect(Date.parse(requested.timeoutAt!) - Date.parse(requested.requestedAt)).toBe(300);
    await eventually(() => (Date.now() > Date.parse(requested.timeoutAt!) ? true : undefined));
    await plane.otherServer();
    expect((await ended(root)).get('ask')!.status).toBe('timed_out');
  });

  it('escalates: then others may decide as well, and a second timeout rejects', async () => {
    const boss: Decider = { name: 'carl', scopes: ['admin'], isTrusted: false };
    const root = await start(
      PLAIN(
        "approvers: [ada], timeout: 50ms, onTimeout: escalate, escalateTo: ['scope:admin'], escalateTimeout: 1h",
      ),
    );
    const escalated = await eventually(
      async () => (await approvals().list({ root, limit: 1 })).items.find((it) => it.escalatedAt !== null)!,
    );
    expect(Date.parse(escalated.timeoutAt!) - Date.parse(escalated.escalatedAt!)).toBe(3_600_000);
    await expect(decide(root, 'ask', { decider: bob })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('ada, scope:admin'),
    });
    await decide(root, 'ask', { decider: boss });
    await until(root, (now) => now.get('ask')!.status === 'completed');
    expect((await eventTypes(root)).map(({ type }) => type)).toContain('approval.escalated');
  });

  it('rejects after the escalation has timed out too, also when the server was away between', async () => {
    const root = await start(
      PLAIN('timeout: 50ms, onTimeout: escalate, escalateTo: [carl], escalateTimeout: 200ms'),
    );
    await eventually(
      async () => (await approvals().list({ root, limit: 1 })).items.find((it) => it.escalatedAt !== null)!,
    );
    await plane.orchestrator.stop();
    await plane.otherServer();
    expect((await ended(root)).get('ask')).toMatchObject({
      status: 'timed_out',
      error: { message: 'nobody decided within 250 ms' },
    });
  });

  it('only lets those decide who are named, before its escalation', async () => {
    const root = await start(PLAIN("approvers: [ada, 'scope:admin'], timeout: 1h"));
    await expect(decide(root, 'ask', { decider: bob })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await decide(root, 'ask', { decider: { name: 'open server', scopes: [], isTrusted: true } });
  });
});

describeDatabases('a waiting approval that is ended', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());
  const find = async (root: string): Promise<ApprovalInfo> =>
    (await createApprovals(plane).list({ root, limit: 1 })).items[0]!;
  const cancel = async (root: string, node: number) => {
    const fact = { kind: 'cancel', node, at: Date.now(), reason: 'not needed' };
    await plane.database.kysely
      .insertInto('tree_inbox')
      .values({ root_id: root, event: JSON.stringify(fact) })
      .execute();
    plane.bus.emit('inbox');
  };

  it.each([0, 1])('is cancelled at once by a cancel of node %i', async (node) => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(PLAIN('timeout: 1h'));
    await cancel(root, node);
    const runs = await eventually(async () => {
      const now = await plane.runs(root);
      return now.get('')!.endedAt === null ? undefined : now;
    });
    expect(runs.get('ask')!.status).toBe('cancelled');
    expect(runs.get('')!.status).toBe(node === 0 ? 'cancelled' : 'failed');
    expect(await find(root)).toMatchObject({ status: 'withdrawn', decidedAt: null });
    const late = createApprovals(plane).decide(
      runs.get('ask')!,
      { status: 'approved', decider: ada, comment: null, inputs: {} },
      Date.now(),
    );
    await expect(late).rejects.toThrow('was withdrawn');
  });

  it('times out at the deadline of its pipeline', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(
      PLAIN('timeout: 1h').replace('name: plain', 'name: plain\ndeadline: 50ms'),
    );
    const runs = await eventually(async () => {
      const now = await plane.runs(root);
      return now.get('')!.endedAt === null ? undefined : now;
    });
    expect([...runs.values()].map((run) => run.status)).toEqual(['timed_out', 'timed_out', 'skipped']);
    expect(runs.get('ask')!.error!.code).toBe('deadline');
    expect((await find(root)).status).toBe('withdrawn');
  });

  it('has one winner when a decision and a cancel come together, and the record says the same', async () => {
    plane = await startControlPlane(engine);
    const roots: string[] = [];
    for (let index = 0; index < 12; index += 1) roots.push(await plane.submit(PLAIN('')));
    await Promise.all(
      roots.map(async (root) => {
        const run = (await plane.runs(root)).get('ask')!;
        const decision = createApprovals(plane).decide(
          run,
          { status: 'approved', decider: ada, comment: null, inputs: {} },
          Date.now(),
        );
        const [decided] = await Promise.allSettled([decision, cancel(root, run.index)]);
        const ask = await eventually(async () => {
          const now = (await plane.runs(root)).get('ask')!;
          return now.endedAt === null ? undefined : now;
        });
        const isApproved = (await find(root)).status === 'approved';
        expect(decided.status).toBe(isApproved ? 'fulfilled' : 'rejected');
        expect(ask.status).toBe(isApproved ? 'completed' : 'cancelled');
      }),
    );
  });
});

describe('approvals in larger pipelines', () => {
  let plane: ControlPlane;
  afterEach(() => plane.end());
  const approve = async (root: string, path: string) => {
    const run = (await plane.runs(root)).get(path)!;
    const decision = { status: 'approved', decider: ada, comment: null, inputs: {} } as const;
    await createApprovals(plane).decide(run, decision, Date.now());
    return plane.settled(root);
  };

  it('take no place of their level: with maxParallel 1 another branch goes on', async () => {
    plane = await startControlPlane(testDatabases()[0]!);
    const root = await plane.submit(`
name: branches
maxParallel: 1
stages:
  - { name: ask, approval: { message: Go on? } }
  - { name: after, dependsOn: [ask], job: { command: 'true' } }
  - { name: one, job: { command: 'true' } }
  - { name: two, dependsOn: [one], job: { command: 'true' } }
`);
    const agent = await plane.agent();
    for (const name of ['one', 'two']) {
      const [assigned] = await plane.claim(agent);
      expect(assigned!.spec.stage).toBe(name);
      await plane.report(assigned!, 'completed');
      await plane.settled(root);
    }
    expect((await plane.runs(root)).get('')!.status).toBe('running');
    expect((await approve(root, 'ask')).get('after')!.status).toBe('queued');
  });

  it('ask once per item of a foreach, all at once, each with its own answer', async () => {
    plane = await startControlPlane(testDatabases()[0]!);
    const root = await plane.submit(`
name: items
maxParallel: 1
stages:
  - name: each
    foreach: { item: model, in: [small, large], maxParallel: 1 }
    pipeline:
      stages:
        - { name: ask, approval: { message: 'Ship \${{ item.model }}?' } }
        - { name: ship, dependsOn: [ask], job: { command: 'ship \${{ item.model }}' } }
  - { name: direct, foreach: { item: n, in: [1, 2, 3], maxParallel: 1 }, approval: { message: 'No \${{ item.n }}?' } }
`);
    const { items } = await createApprovals(plane).list({ status: 'waiting', limit: 10 });
    expect(items.map((it) => it.message).sort()).toEqual(['No 1?', 'No 2?', 'No 3?', 'Ship small?']);
    const runs = await approve(root, 'each[0]/ask');
    expect(runs.get('each[0]/ship')!.status).toBe('queued');
    expect(runs.get('direct[1]')!.status).toBe('waiting');
    for (const index of [0, 1, 2]) await approve(root, `direct[${index}]`);
    const direct = (await plane.settled(root)).get('direct')!;
    expect(direct.status).toBe('completed');
    expect(direct.outputs).toMatchObject([{ decision: 'approved' }, {}, {}]);
  });

  it('fail before anybody is asked when their message has no value', async () => {
    plane = await startControlPlane(testDatabases()[0]!);
    const root = await plane.submit(`
name: broken
stages:
  - { name: first, job: { command: 'true' } }
  - { name: ask, dependsOn: [first], approval: { message: 'Ship \${{ stages.first.outputs.best }}?' } }
`);
    const [first] = await plane.claim(await plane.agent());
    await plane.report(first!, 'completed');
    const ask = (await plane.settled(root)).get('ask')!;
    expect(ask).toMatchObject({ status: 'failed', error: { code: 'expression' } });
    expect((await createApprovals(plane).list({ limit: 1 })).items).toEqual([]);
  });

  it('end at once when a sibling fails fast before the run is even stored', async () => {
    plane = await startControlPlane(testDatabases()[0]!);
    const root = await plane.submit(`
name: fast
failPolicy: fail_fast
onSiblings: cancel
stages:
  - { name: ask, approval: { message: Go on? } }
  - { name: bad, approval: { message: '\${{ params.x }}' }, params: { x: '\${{ 1 / 0 }}' } }
`);
    const runs = await eventually(async () => {
      const now = await plane.runs(root);
      return now.get('')!.endedAt === null ? undefined : now;
    });
    expect([runs.get('ask')!.status, runs.get('')!.status]).toEqual(['cancelled', 'failed']);
  });
});

it('refuses approvals that contradict themselves, each fault with its line', () => {
  const faultsOf = (fields: string, stage = '') => {
    const parsed = parseDefinition(`name: x\nstages:\n  - name: ask\n    approval: { ${fields} }\n${stage}`);
    return parsed.ok
      ? []
      : parsed.faults.map((fault) => `${fault.path.slice(2).join('.')}: ${fault.message}`);
  };
  expect(faultsOf('message: Go on?')).toEqual([]);
  expect(faultsOf('form: {}')).toEqual([expect.stringContaining('"message"')]);
  expect(faultsOf('message: m, onTimeout: approve')).toEqual([expect.stringContaining('needs a "timeout"')]);
  expect(faultsOf('message: m, timeout: 1h, onTimeout: escalate')).toEqual([
    expect.stringMatching(/^approval\.escalateTo: /),
  ]);
  expect(faultsOf('message: m, escalateTo: [ada]')).toEqual([expect.stringContaining('onTimeout: escalate')]);
  expect(faultsOf('message: m, timeout: 1h, onTimeout: approve, form: { a: { type: string } }')).toEqual([
    expect.stringContaining('needs a default'),
  ]);
  expect(faultsOf('message: m, form: { decision: { type: string } }')).toEqual([
    expect.stringContaining('output of every approval'),
  ]);
  expect(faultsOf('message: m, form: { a: { type: number, default: high } }')).toEqual([
    expect.stringMatching(/^approval\.form\.a\.default: .*must be a number/),
  ]);
  expect(faultsOf('message: m, form: { a: { type: number, choices: [x] } }')).toEqual([
    expect.stringContaining('only for a field of type string'),
  ]);
  expect(faultsOf("message: '${{ stages.gone.outputs.x }}'")).toEqual([
    expect.stringMatching(/^approval\.message: .*gone/),
  ]);
  expect(faultsOf('message: m', '    timeout: 1h\n    retry: { attempts: 2 }\n')).toEqual([
    expect.stringContaining('into "approval"'),
    expect.stringContaining('asked again'),
  ]);
});
