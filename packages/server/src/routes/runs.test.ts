import {
  type DefinitionFault,
  EVENT_TYPES,
  type EventType,
  type RunDefinition,
  type RunEvent,
  type RunListItem,
} from '@trainyard/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkStored, parseDefinition } from '../definition/index.ts';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases } from '../testing/index.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const ONE = 'name: one\nstages:\n  - { name: a, job: { command: "true" } }\n';
const NESTED = `
name: nested
params: { epochs: { type: integer, default: 3 } }
stages:
  - name: outer
    pipeline:
      stages:
        - { name: inner, job: { command: 'train \${{ params.epochs }}' } }
  - { name: last, dependsOn: [outer], job: { command: 'true' } }
`;

let t: TestServer;
afterEach(() => t.end());

describeDatabases('a run over HTTP', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
  });

  it('keeps a definition in an older form as it was mapped, and shows what was written', async () => {
    const source =
      'name: older\nstages:\n  - { name: a, task: job, params: { command: go, x: 1 } }\n  - { name: b, task: job, params: { command: go }, depends_on: [a] }\n';
    const mapped = parseDefinition(source);
    if (!mapped.ok) throw new Error(mapped.faults[0]!.message);
    const id = await t.submit(source);
    const { body } = await t.call<RunDefinition>('GET', `/api/v1/runs/${id}/definition`);
    expect(body).toMatchObject({ source, uses: [], definition: mapped.definition });
    // What is read again after a restart is in our own form: nothing is left to be mapped.
    const kept = JSON.parse(body.expanded!) as { stages: object[] };
    expect(kept.stages.some((stage) => 'task' in stage || 'depends_on' in stage)).toBe(false);
    const read = checkStored({ source: body.expanded!, written: source });
    expect(read).toMatchObject({ ok: true, definition: mapped.definition });
  });

  it('goes from submit to its end, and everything about it can be read', async () => {
    const agent = await t.agent();
    const id = await t.submit(NESTED, { params: { epochs: 5 }, fileName: 'nested.yaml', baseDir: '/data' });
    const inner = await agent.take('outer/inner');
    expect(inner.spec).toMatchObject({ command: 'train 5', workingDir: '/data', rootId: id });
    await agent.report(inner, 'started');
    const log = 'épochs: 5\nfertig ✓\n';
    expectStatus(await agent.append(inner, 'log', 0, log), 200);
    const lines = [0, 1, 2]
      .map((step) => `{"step":${step},"timestamp":${step},"loss":${1 / (step + 1)}}\n`)
      .join('');
    expect((await agent.append(inner, 'metrics', 0, lines)).body).toEqual({ size: lines.length });
    const dataset = {
      name: 'digits',
      path: 'out.jsonl',
      role: 'output',
      sha256: 'a'.repeat(64),
      sizeBytes: 9,
      rows: 3,
    } as const;
    await agent.report(inner, { outcome: 'completed', outputs: { best: 0.5 }, datasets: [dataset] });
    await agent.report(await agent.take('last'), { outcome: 'completed' });
    const tree = await t.treeWhen(id, ({ status }) => status === 'completed');

    expect(tree).toMatchObject({
      id,
      kind: 'pipeline',
      name: 'nested',
      params: { epochs: 5 },
      children: [
        {
          name: 'outer',
          path: 'outer',
          status: 'completed',
          children: [{ path: 'outer/inner', outputs: { best: 0.5 } }],
        },
        { name: 'last', dependsOn: ['outer'], children: [] },
      ],
    });
    const runId = inner.spec.runId;
    const get = async (path: string) =>
      expectStatus(await t.call<never>('GET', `/api/v1/${path}`), 200) as unknown;
    expect(await get(`runs/${runId}`)).toMatchObject({ id: runId, rootId: id, status: 'completed' });
    expect(await get(`runs/${runId}/definition`)).toMatchObject({ source: NESTED, fileName: 'nested.yaml' });
    expect(await get(`runs/${runId}/attempts`)).toMatchObject({
      items: [
        {
          id: inner.spec.attemptId,
          status: 'completed',
          exitCode: 0,
          logBytes: Buffer.byteLength(log),
          metricsBytes: lines.length,
        },
      ],
    });
    const read = await t.call<string>('GET', `/api/v1/runs/${runId}/log`);
    expect(read.body).toBe(log);
    expect(read.headers).toMatchObject({
      'x-attempt': '1',
      'x-complete': 'true',
      'x-size': String(Buffer.byteLength(log)),
    });
    expect(await get(`runs/${runId}/log/lines`)).toMatchObject({
      items: [{ text: 'épochs: 5' }, { text: 'fertig ✓' }],
      complete: true,
    });
    expect(await get(`runs/${runId}/metrics`)).toEqual({
      loss: [0, 1, 2].map((step) => ({ step, value: 1 / (step + 1), time: step * 1000 })),
    });
    expect(await get(`runs/${id}/metrics/latest?tree=true`)).toMatchObject({
      items: [{ key: 'loss', step: 2, count: 3, path: 'outer/inner' }],
    });
    expect(await get(`charts?run=${runId}&key=loss&buckets=2`)).toMatchObject({
      series: [{ runId, key: 'loss' }],
    });
    expect(await get(`runs/${id}/datasets`)).toMatchObject({
      items: [{ name: 'digits', rows: 3, runs: [{ runId, role: 'output' }] }],
    });
    expect(await get('datasets?name=digits')).toMatchObject({ items: [{ sha256: 'a'.repeat(64) }] });
    const { items } = (await get(`runs/${id}/events`)) as { items: RunEvent[] };
    expect(items.map((event) => event.seq)).toEqual(items.map((_, index) => index + 1));
    const ofBranch = (await get(`runs/${tree.children[0]!.id}/events?limit=2`)) as {
      items: RunEvent[];
      nextSeq: number;
    };
    expect(ofBranch.items.every((event) => event.path.startsWith('outer'))).toBe(true);
    expect(ofBranch.nextSeq).toBe(ofBranch.items.at(-1)!.seq);
  });
});

describe('runs over HTTP', () => {
  beforeEach(async () => {
    t = await startTestServer();
  });

  const cancel = (id: string, body: unknown = { reason: 'enough' }) =>
    t.call('POST', `/api/v1/runs/${id}/cancel`, body);

  it('lists root runs newest first, by pages, status and name', async () => {
    const ids: string[] = [];
    for (const name of ['x', 'y', 'x', 'y', 'x']) ids.push(await t.submit(ONE.replace('one', name)));
    const page = async (query: string) =>
      expectStatus(
        await t.call<{ items: RunListItem[]; nextCursor: string | null }>('GET', `/api/v1/runs?${query}`),
        200,
      );
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { items, nextCursor }: Awaited<ReturnType<typeof page>> = await page(
        `limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...items.map((item) => item.id));
      cursor = nextCursor;
    }
    expect(seen).toEqual(ids.toReversed());
    expect((await page('name=y')).items.map((item) => item.id)).toEqual([ids[3], ids[1]]);
    expect((await page('limit=5')).nextCursor).toBeNull();
    await cancel(ids[0]!);
    await t.treeWhen(ids[0]!, ({ status }) => status === 'cancelled');
    expect((await page('status=cancelled')).items).toMatchObject([{ id: ids[0], stages: { cancelled: 1 } }]);
    expect((await page('status=completed')).items).toEqual([]);
    expectError(await t.call('GET', '/api/v1/runs?status=done'), 'INVALID_REQUEST');
    for (const list of ['runs', 'approvals', 'findings', 'backfills']) {
      const odd = await t.call<{ error: { message: string } }>('GET', `/api/v1/${list}?cursor=zzz`);
      expectError(odd, 'INVALID_REQUEST');
      expect(odd.body.error.message).toContain('leave it out for the first page');
    }
    expectError(await t.call('GET', '/api/v1/runs?limit=0'), 'INVALID_REQUEST');
    expectError(await t.call('GET', '/api/v1/runs?limit=501'), 'INVALID_REQUEST');
  });

  it('cancels a queued run, and says so again when asked twice', async () => {
    const id = await t.submit(ONE);
    expect((await cancel(id)).status).toBe(202);
    const tree = await t.treeWhen(id, ({ status }) => status === 'cancelled');
    expect(tree.children[0]).toMatchObject({ status: 'cancelled' });
    expect((await cancel(id)).status).toBe(202);
    const { body } = await t.call<{ items: RunEvent[] }>('GET', `/api/v1/runs/${id}/events`);
    expect(body.items.find((event) => event.type === 'run.cancel_requested')?.data).toEqual({
      reason: 'enough',
    });
  });

  it('cancels a running run through its agent', async () => {
    const agent = await t.agent();
    const id = await t.submit(ONE);
    const assigned = await agent.take();
    await agent.report(assigned, 'started');
    const held = [{ attemptId: assigned.spec.attemptId, epoch: 1, cancelling: false }];
    const waiting = agent.claim({ held, free: 0, waitMs: 10_000 });
    expect((await cancel(id, undefined)).status).toBe(202);
    expect((await waiting).body.commands).toEqual([
      { attemptId: assigned.spec.attemptId, epoch: 1, action: 'cancel' },
    ]);
    expect((await t.tree(id)).status).toBe('cancelling');
    expect((await cancel(id)).status).toBe(202);
    expect(
      (await agent.report(assigned, { outcome: 'cancelled', exitCode: null, signal: 'SIGTERM' })).ok,
    ).toBe(true);
    await t.treeWhen(id, ({ status }) => status === 'cancelled');
  });

  it('refuses to cancel a completed run', async () => {
    const agent = await t.agent();
    const id = await t.submit(ONE);
    await agent.report(await agent.take(), { outcome: 'completed' });
    await t.treeWhen(id, ({ status }) => status === 'completed');
    expectError(await cancel(id), 'CONFLICT');
    expectError(await cancel('run_unknown'), 'NOT_FOUND');
  });

  it('gives the same run for the same idempotency key, and refuses the key for another request', async () => {
    const post = (source: string, key: string) =>
      t.call<{ id: string }>('POST', '/api/v1/runs', { source }, { headers: { 'idempotency-key': key } });
    const answers = await Promise.all([post(ONE, 'k'), post(ONE, 'k'), post(ONE, 'k')]);
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 200, 201]);
    expectError(await post(NESTED, 'k'), 'IDEMPOTENCY_MISMATCH');
    expectError(await post(ONE, 'k'.repeat(201)), 'INVALID_REQUEST');
    expect((await t.call<{ items: unknown[] }>('GET', '/api/v1/runs')).body.items).toHaveLength(1);
  });

  it('lists every fault of a definition with its place, and stores nothing', async () => {
    const source =
      'name: bad\nstages:\n  - { name: a, dependsOn: [nobody], job: { command: "true" } }\n  - { name: b, colour: red, job: { command: 1 } }\n';
    for (const path of ['/api/v1/runs', '/api/v1/pipelines/validate']) {
      const answer = await t.call('POST', path, { source, fileName: 'bad.yaml' });
      const { message, details } = expectError(answer, 'INVALID_DEFINITION');
      const { faults } = details as { faults: DefinitionFault[] };
      expect(faults.length).toBeGreaterThan(1);
      expect(faults.every(({ line, column }) => line! >= 3 && column! >= 1)).toBe(true);
      expect(message).toMatch(/^bad\.yaml:\d+:\d+: /);
    }
    for (const table of ['trees', 'runs', 'definitions', 'events'] as const) {
      expect(await t.server.database.kysely.selectFrom(table).selectAll().execute()).toEqual([]);
    }
  });

  it('validates a definition given as text or as JSON, and its params', async () => {
    const { body } = await t.call('POST', '/api/v1/pipelines/validate', { source: NESTED });
    expect(body).toEqual({ name: 'nested', stages: 3, depth: 2, layers: [['outer'], ['last']] });
    const definition = { name: 'json', stages: [{ name: 'a', job: { command: ['true'] } }] };
    expect((await t.call('POST', '/api/v1/runs', { definition })).status).toBe(201);
    expectError(await t.call('POST', '/api/v1/runs', { definition, source: ONE }), 'INVALID_REQUEST');
    expectError(
      await t.call('POST', '/api/v1/runs', { source: NESTED, params: { epoch: 1 } }),
      'INVALID_PARAMS',
    );
    expectError(
      await t.call('POST', '/api/v1/runs', { source: NESTED, params: { epochs: 'x' } }),
      'INVALID_PARAMS',
    );
  });

  it('retries give each attempt its own log', async () => {
    const agent = await t.agent();
    await t.submit(
      'name: r\nstages:\n  - { name: a, job: { command: x }, retry: { attempts: 2, backoff: 1ms } }\n',
    );
    const first = await agent.take();
    await agent.append(first, 'log', 0, 'first\n');
    await agent.report(first, {
      outcome: 'failed',
      exitCode: 1,
      error: { code: 'exit_code', message: 'exit code 1' },
    });
    const second = await agent.take();
    await agent.append(second, 'log', 0, 'second\n');
    const read = (query: string) => t.call<string>('GET', `/api/v1/runs/${first.spec.runId}/log${query}`);
    await eventually(async () => ((await read('')).body === 'second\n' ? true : undefined));
    expect((await read('?attempt=1')).body).toBe('first\n');
    expectError(await t.call('GET', `/api/v1/runs/${first.spec.runId}/log?attempt=3`), 'NOT_FOUND');
    expectError(await agent.append(first, 'log', 6, 'late'), 'ATTEMPT_FENCED');
  });

  it('write events with the fields that are documented, no other', async () => {
    const agent = await t.agent();
    const source =
      'name: e\nstages:\n  - { name: a, job: { command: x }, retry: { attempts: 2, backoff: 1ms } }\n' +
      '  - { name: b, dependsOn: [a], job: { command: x } }\n  - { name: c, job: { command: x } }\n' +
      '  - { name: d, foreach: { item: i, in: [1] }, cache: { code: [] }, job: { command: x } }\n' +
      '  - { name: e, cache: true, job: { command: x } }\n';
    const id = await t.submit(source);
    const dataset = { name: 'd', path: 'd', role: 'output', sha256: 'b'.repeat(64), sizeBytes: 1 } as const;
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const assigned = await agent.take('a');
      await agent.report(assigned, 'started');
      await agent.append(assigned, 'metrics', 0, 'nonsense\n');
      await agent.report(assigned, {
        outcome: 'failed',
        exitCode: 1,
        error: { code: 'x', message: 'x' },
        datasets: [dataset],
      });
    }
    await agent.report(await agent.take('d[0]'), { outcome: 'completed' });
    await t.treeWhen(
      id,
      ({ children }) => children[1]!.status === 'skipped' && children[3]!.endedAt !== null,
    );
    for (const what of ['pause', 'resume'])
      expectStatus(await t.call('POST', `/api/v1/runs/${id}/${what}`, {}), 202);
    await t.treeWhen(id, ({ status }) => status === 'running');
    const checkpoint = { path: '/c', step: 1 };
    await agent.report(await agent.take('c'), { outcome: 'released', checkpoint });
    // Taken before the cancel: one that is still queued then ends without an agent.
    const last = [await agent.take('c'), await agent.take('e')];
    await cancel(id);
    for (const each of last) await agent.report(each, { outcome: 'cancelled' });
    await t.treeWhen(id, ({ endedAt }) => endedAt !== null);
    const again = expectStatus(await t.call<{ id: string }>('POST', `/api/v1/runs/${id}/retry`, {}), 201).id;
    const other = await t.submit(source);
    for (const started of [again, other]) await cancel(started);
    const events: RunEvent[] = [];
    for (const of of [id, again, other]) {
      const { body } = await t.call<{ items: RunEvent[] }>('GET', `/api/v1/runs/${of}/events`);
      events.push(...body.items);
    }
    expect([...new Set(events.map(({ type }) => type))].toSorted()).toEqual(
      Object.keys(EVENT_TYPES)
        .filter((type) => !SEEN_ELSEWHERE.includes(type))
        .toSorted(),
    );
    for (const event of events) {
      const fields = EVENT_TYPES[event.type as EventType]
        .split(' data: ')[1]!
        .replace(/ \(.*\)|\.$/g, '')
        .split(', ');
      expect(Object.keys(event.data).toSorted(), event.type).toEqual(fields.toSorted());
    }
  });
});

/** Events that need more than this file sets up; their own tests look at their fields. */
const SEEN_ELSEWHERE = [
  'attempt.unreachable',
  'run.not_cached',
  'checkpoint.recorded',
  'run.waits_for_group',
  'approval.requested',
  'approval.escalated',
  'approval.decided',
  'finding.opened',
  'finding.worsened',
  'finding.closed',
];
