import type { Run } from '@trainyard/protocol';
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { LeaseJudge } from '../attempts/leases.ts';
import { createRunReads } from '../store/run-reads.ts';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const source = (retry: string) => `
name: fragile
failures: [{ pattern: outer, class: preempted }]
stages:
  - name: a
    retry: ${retry}
    failures: [{ pattern: inner, noRetry: true }]
    job: { command: 'true', stopSignal: SIGINT, stallTimeout: 5m }
`;

describeDatabases('a classified failure', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  const fails = (failure: { class: string; noRetry?: boolean; excludeAgent?: boolean }) => ({
    error: { code: 'exit_code', message: 'exit code 1', class: failure.class, label: 'seen' },
    failure,
  });
  const again = (root: string, attempt: number) =>
    plane.until(root, (runs) => runs.get('a')!.attempt === attempt && runs.get('a')!.status === 'queued');

  it('is told with the run, and the stage says what to look for', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(source('{ attempts: 1 }'));
    const [first] = await plane.claim(agent);
    expect(first!.spec).toMatchObject({ stopSignal: 'SIGINT', stallMs: 300_000 });
    expect(first!.spec.failures!.map(({ pattern }) => pattern)).toEqual(['inner', 'outer']);
    await plane.report(first!, 'failed', fails({ class: 'out_of_memory' }));
    await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
    const runs = await plane.runs(root);
    for (const path of ['a', '']) {
      expect(runs.get(path)!.error).toMatchObject({ class: 'out_of_memory', label: 'seen', path: 'a' });
    }
  });

  it('with noRetry is not tried again, unless the stage asks for its class (48)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const failure = fails({ class: 'out_of_memory', noRetry: true });
    const stops = await plane.submit(source('{ attempts: 3, backoff: 0 }'));
    await plane.report((await plane.claim(agent))[0]!, 'failed', failure);
    await plane.until(stops, (runs) => runs.get('a')!.status === 'failed');
    const asks = await plane.submit(source('{ attempts: 3, backoff: 0, retryOn: [out_of_memory] }'));
    await plane.report((await plane.claim(agent))[0]!, 'failed', failure);
    await again(asks, 2);
    // Of another class it is not.
    await plane.report((await plane.claim(agent))[0]!, 'failed', fails({ class: 'user_error' }));
    await plane.until(asks, (runs) => runs.get('a')!.status === 'failed');
  });

  it('with excludeAgent is tried again elsewhere, as long as there is another agent (48)', async () => {
    plane = await startControlPlane(engine);
    const faulty = await plane.agent();
    const other = await plane.agent();
    const root = await plane.submit(source('{ attempts: 4, backoff: 0 }'));
    const failure = fails({ class: 'hardware', excludeAgent: true });
    await plane.report((await plane.claim(faulty))[0]!, 'failed', failure);
    await again(root, 2);
    expect(await plane.claim(faulty)).toEqual([]);
    const [second] = await plane.claim(other);
    expect(second!.spec.number).toBe(2);
    await plane.report(second!, 'failed', failure);
    await again(root, 3);
    // Both are excluded now: rather one of them than to wait for ever.
    expect(await plane.claim(faulty)).toHaveLength(1);
  });

  it('of a preempted job uses up no try', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(source('{ attempts: 1 }'));
    await plane.report((await plane.claim(agent))[0]!, 'failed', {
      error: { code: 'preempted', message: 'the agent was stopped', class: 'preempted' },
    });
    await again(root, 2);
  });

  it('tells the tries that were left where noRetry, and nothing else, left them out', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const failure = fails({ class: 'out_of_memory', noRetry: true });
    const fail = async (retry: string) => {
      const root = await plane.submit(source(retry));
      await plane.report((await plane.claim(agent))[0]!, 'failed', failure);
      await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
      return root;
    };
    const root = await fail('{ attempts: 3, backoff: 0 }');
    expect((await plane.runs(root)).get('a')!.error).toMatchObject({ triesLeft: 2 });
    const { items } = await plane.events(root);
    const dataOf = (type: string) => items.find((event) => event.path === 'a' && event.type === type)!.data;
    expect(dataOf('run.finished')).toMatchObject({ error: { triesLeft: 2 } });
    expect(dataOf('attempt.finished')).toMatchObject({ failure: { noRetry: true } });
    const last = await fail('{ attempts: 1 }');
    const unwanted = await fail('{ attempts: 3, retryOn: [timed_out] }');
    for (const root of [last, unwanted]) {
      expect((await plane.runs(root)).get('a')!.error).not.toHaveProperty('triesLeft');
    }
  });

  it('by its exit code is tried again where retryOn has that number, also against a noRetry', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(source('{ attempts: 9, backoff: 0, retryOn: [3, 75] }'));
    const fail = async (exitCode: number, more: object = fails({ class: 'user_error' })) =>
      plane.report((await plane.claim(agent))[0]!, 'failed', { ...more, exitCode });
    await fail(75);
    await again(root, 2);
    await fail(3, fails({ class: 'user_error', noRetry: true }));
    await again(root, 3);
    await fail(1);
    await plane.until(root, (runs) => runs.get('a')!.status === 'failed');
    // What Trainyard has ended did not choose its exit code.
    const stalled = await plane.submit(source('{ attempts: 9, backoff: 0, retryOn: [143] }'));
    await fail(143, { error: { code: 'stalled', message: 'no progress' } });
    await plane.until(stalled, (runs) => runs.get('a')!.status === 'failed');
  });
});

describeDatabases('every failure has a class', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  const attemptsOf = async (runs: Map<string, Run>, path: string) =>
    createRunReads(plane.database).attempts(runs.get(path)!.id);
  const ended = async (root: string) => {
    await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
    return plane.runs(root);
  };

  it.each([
    ['exit_code', 'user_error'],
    ['reported_failure', 'user_error'],
    ['a code of the program', 'user_error'],
    ['diagnosis', 'diagnosis'],
    ['stalled', 'timeout'],
    ['invalid_outputs', 'user_error'],
  ])('reported with code %s: %s', async (code, kind) => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(source('{ attempts: 1 }'));
    await plane.report((await plane.claim(agent))[0]!, 'failed', { error: { code, message: 'm' } });
    const runs = await ended(root);
    for (const path of ['a', '']) expect(runs.get(path)!.error).toMatchObject({ code, class: kind });
    const [attempt] = await attemptsOf(runs, 'a');
    expect(attempt).toMatchObject({ status: 'failed', error: { code, class: kind } });
    const told = (await plane.events(root)).items.find(({ type }) => type === 'attempt.finished');
    expect(told!.data).toMatchObject({ error: { code, class: kind } });
  });

  it('of a failure without a reason, too', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(source('{ attempts: 1 }'));
    await plane.report((await plane.claim(agent))[0]!, 'failed', { error: null });
    const runs = await ended(root);
    const error = { code: 'failed', class: 'user_error' };
    expect(runs.get('a')!.error).toMatchObject(error);
    expect(await attemptsOf(runs, 'a')).toMatchObject([{ error }]);
  });

  const TIMED = `name: timed
deadline: 300ms
stages:
  - { name: quick, timeout: 30ms, job: { command: x } }
  - { name: slow, job: { command: x } }
  - { name: waits, job: { command: x, queue: nobody } }
  - { name: cancelled, job: { command: x } }
`;

  it('of timeouts and deadlines, and their attempts are timed out, not cancelled', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(TIMED);
    const claimed = new Map((await plane.claim(agent)).map((each) => [each.spec.stage, each]));
    for (const each of claimed.values()) await plane.report(each, 'started');
    await plane.tell(root, { kind: 'cancel', node: 4, at: Date.now(), reason: 'enough' });
    for (const stage of ['quick', 'slow', 'cancelled']) {
      await plane.until(root, (runs) => runs.get(stage)!.status === 'cancelling');
      await plane.report(claimed.get(stage)!, 'cancelled');
    }
    const runs = await ended(root);
    const expected = { quick: 'timeout', slow: 'deadline', waits: 'deadline' };
    for (const [path, code] of Object.entries(expected)) {
      const error = { code, class: 'timeout' };
      expect(runs.get(path)).toMatchObject({ status: 'timed_out', error });
      expect(await attemptsOf(runs, path)).toMatchObject([{ status: 'timed_out', error }]);
    }
    expect(await attemptsOf(runs, 'cancelled')).toMatchObject([{ status: 'cancelled', error: null }]);
    expect(runs.get('')!.error).toMatchObject({ class: 'timeout' });
  });

  it('of losses', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(source('{ attempts: 1 }'));
    for (let attempt = 1; attempt <= 4; attempt++) {
      await plane.until(root, (runs) => runs.get('a')!.attempt === attempt);
      await plane.claim(agent);
      await sql`update attempts set lease_until = now() - interval '1 hour' where ended_at is null`.execute(
        plane.database.kysely,
      );
      await new LeaseJudge(plane.database.kysely).look();
      plane.bus.emit('inbox');
    }
    const runs = await ended(root);
    const error = { code: 'lost', class: 'lost' };
    expect(runs.get('a')).toMatchObject({ status: 'failed', error });
    expect(await attemptsOf(runs, 'a')).toMatchObject(Array(4).fill({ status: 'lost', error }));
  });

  it('of expressions without a value, decisions of people, and pipelines of which a stage was cancelled', async () => {
    plane = await startControlPlane(engine);
    const yaml = (stage: string) => `name: p\nstages:\n  - ${stage}\n`;
    const expression = await ended(
      await plane.submit(yaml("{ name: a, retry: { attempts: 3 }, job: { command: '${{ 1 / 0 }}' } }")),
    );
    expect(expression.get('a')!.error).toMatchObject({
      code: 'expression',
      class: 'definition',
      triesLeft: 2,
    });
    const asked = await plane.submit(yaml('{ name: a, approval: { message: m } }'));
    const decision = { status: 'rejected', decidedBy: 'ada', comment: null, inputs: null };
    await plane.tell(asked, { kind: 'approval', node: 1, attempt: 1, at: Date.now(), ...decision });
    expect((await ended(asked)).get('a')!.error).toMatchObject({ code: 'rejected', class: 'cancelled' });
    const cancelled = await plane.submit(yaml('{ name: a, job: { command: x } }'));
    await plane.tell(cancelled, { kind: 'cancel', node: 1, at: Date.now(), reason: 'enough' });
    expect((await ended(cancelled)).get('')).toMatchObject({
      status: 'failed',
      error: { class: 'cancelled' },
    });
  });
});
