import type { Assignment, Run, RunEvent, RunTree } from '@trainyard/protocol';
import { afterEach, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases } from '../testing/index.ts';
import type { ReportedEvent, ScriptedAgent } from '../testing/scripted-agent.ts';
import { expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const SOURCE = `
name: hashed
stages:
  - { name: a, cache: { inputs: [in.csv], code: [src], maxAge: 1h }, job: { command: a } }
`;
const hash = (digit: string) => digit.repeat(64);
const HASHES = { inputs: [hash('1')], code: [hash('2')] };
const DONE = { outcome: 'completed' as const, outputs: { rows: 3 } };

let t: TestServer;
let agent: ScriptedAgent;
afterEach(() => t.end());

const ask = ({ spec, token }: Assignment, hashes: object = HASHES, { epoch = spec.epoch, by = token } = {}) =>
  t.call<{ from: string | null }>(
    'POST',
    `/api/v1/attempts/${spec.attemptId}/cached`,
    { epoch, hashes },
    { token: by },
  );
const fromOf = async (...args: Parameters<typeof ask>) => expectStatus(await ask(...args), 200).from;
const stageOf = (tree: RunTree) => tree.children[0]!;

async function start(body: object = {}): Promise<{ id: string; work: Assignment }> {
  const id = await t.submit(SOURCE, body);
  return { id, work: await agent.take('a') };
}

async function end(id: string, work: Assignment, what: ReportedEvent): Promise<Run> {
  expect(await agent.report(work, what)).toMatchObject({ ok: true });
  return stageOf(await t.treeWhen(id, ({ endedAt }) => endedAt !== null));
}

/** Runs it as an agent that finds nothing. */
async function ran(hashes = HASHES): Promise<Run> {
  const { id, work } = await start();
  return end(id, work, { ...DONE, cache: { kind: 'ran', hashes } });
}

async function notCached(run: Run): Promise<unknown[]> {
  const { body } = await t.call<{ items: RunEvent[] }>('GET', `/api/v1/runs/${run.id}/events`);
  return body.items.filter(({ type }) => type === 'run.not_cached').map(({ data }) => data['reason']);
}

describeDatabases('a cached stage whose files an agent reads', (engine) => {
  it('takes the result that was kept under the same hashes, from the row and not from the agent', async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    const first = await ran();
    const { id, work } = await start();
    expect(work.spec.cache).toMatchObject({ baseDir: '.', inputs: ['in.csv'], code: ['src'], lookUp: true });
    expect(await fromOf(work)).toBe(first.id);
    // Asked again after a lost answer.
    expect(await fromOf(work)).toBe(first.id);
    expect(await fromOf(work, { ...HASHES, inputs: [hash('3')] })).toBeNull();
    const hit = { outcome: 'completed', outputs: { rows: 99 } } as const;
    const cache = { kind: 'hit' as const, hashes: HASHES, from: first.id };
    const stage = await end(id, work, { ...hit, cache });
    expect(stage).toMatchObject({
      status: 'completed',
      reason: 'cached',
      cachedFrom: first.id,
      cacheKey: first.cacheKey,
      outputs: { rows: 3 },
      startedAt: null,
    });
    // The report was sent twice.
    expect(await agent.report(work, { ...hit, cache })).toMatchObject({ ok: true });
    expectError(await ask(work), 'ATTEMPT_FENCED');
    // The same key as of a submit that brings hashes.
    const basis = { files: { 'in.csv': hash('1'), src: hash('2') } };
    const known = await t.submit(SOURCE, { cacheBasis: basis });
    expect(stageOf(await t.treeWhen(known, ({ endedAt }) => endedAt !== null)).cachedFrom).toBe(first.id);
  });

  it('is run again when the result is gone, or was never one of this question', async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    const other = await ran({ ...HASHES, code: [hash('9')] });
    const { id, work } = await start();
    await agent.report(work, {
      outcome: 'completed',
      cache: { kind: 'hit', hashes: HASHES, from: other.id },
    });
    const again = await agent.take('a');
    expect(again.spec.number).toBe(2);
    expect(await fromOf(again)).toBeNull();
    const stage = await end(id, again, { ...DONE, cache: { kind: 'ran', hashes: HASHES } });
    expect(stage).toMatchObject({ status: 'completed', outputs: { rows: 3 } });
    expect(stage.cachedFrom).toBeUndefined();
    const third = await start();
    expect(await fromOf(third.work)).toBe(stage.id);
    expectStatus(await t.call('DELETE', `/api/v1/runs/${id}`), 204);
    expect(await fromOf(third.work)).toBeNull();
  });

  it('answers only the attempt itself, of its present epoch', async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    const { work } = await start();
    expectError(await ask(work, HASHES, { epoch: 7 }), 'ATTEMPT_FENCED');
    expectError(await ask(work, HASHES, { by: 'other' }), 'UNAUTHENTICATED');
    expectError(await ask(work, { inputs: ['x'], code: [] }), 'INVALID_REQUEST');
  });

  it('keeps nothing of files that changed, and what the submit said where nobody could read them', async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    const cacheBasis = { files: { 'in.csv': hash('1'), src: hash('2') } };
    const first = await start({ cacheBasis });
    const changed = await end(first.id, first.work, {
      ...DONE,
      cache: { kind: 'changed', reason: 'changed' },
    });
    expect(await notCached(changed)).toEqual(['changed']);
    const second = await start({ cacheBasis });
    const unread = await end(second.id, second.work, {
      ...DONE,
      cache: { kind: 'unknown', reason: 'no file' },
    });
    expect(await notCached(unread)).toEqual([]);
    const third = await start();
    expect(await fromOf(third.work)).toBe(unread.id);
    const silent = await end(third.id, third.work, {
      ...DONE,
      cache: { kind: 'unknown', reason: 'no file' },
    });
    expect(await notCached(silent)).toEqual(['no file']);
    // What it had when it ran counts, and not what it had when it was submitted.
    const fourth = await start({ cacheBasis, noCache: true });
    expect(fourth.work.spec.cache?.lookUp).toBe(false);
    expect(await fromOf(fourth.work)).toBeNull();
    const later = { ...HASHES, inputs: [hash('4')] };
    const late = await end(fourth.id, fourth.work, { ...DONE, cache: { kind: 'ran', hashes: later } });
    const fifth = await start();
    expect(await fromOf(fifth.work, later)).toBe(late.id);
    expect(await fromOf(fifth.work)).toBe(unread.id);
  });
});
