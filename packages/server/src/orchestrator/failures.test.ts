import { afterEach, expect, it } from 'vitest';
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
});
