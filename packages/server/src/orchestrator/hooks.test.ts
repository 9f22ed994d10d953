import type { Run } from '@trainyard/protocol';
import { afterEach, expect, it } from 'vitest';
import { parseDefinition } from '../definition/index.ts';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

let plane: ControlPlane;

type Act = 'completed' | 'failed';

/** Finishes whatever can be claimed until nothing is left. Gives the runs, and which stages ran in which order. */
async function work(root: string, act: (stage: string) => Act = () => 'completed') {
  const agent = await plane.agent();
  const ran: { stage: string; params: Record<string, unknown> }[] = [];
  for (;;) {
    const runs = await plane.settled(root);
    const claimed = await plane.claim(agent);
    if (claimed.length === 0 && runs.get('')!.endedAt !== null) return { runs, ran };
    for (const assigned of claimed) {
      ran.push({ stage: assigned.spec.stage, params: assigned.spec.params });
      await plane.report(assigned, act(assigned.spec.stage));
    }
  }
}

async function cancel(root: string, path: string): Promise<void> {
  const { index } = (await plane.settled(root)).get(path)!;
  await plane.tell(root, { kind: 'cancel', node: index, at: Date.now(), reason: 'enough' });
}

const statusOf = (runs: ReadonlyMap<string, Run>, ...paths: string[]) =>
  paths.map((path) => runs.get(path)!.status);

const HOOKED = `
name: hooked
stages:
  - { name: tidy, hook: always, params: { why: '\${{ outcome.status }}' }, job: { command: 'true' } }
  - name: tell
    hook: onFailure
    params: { error: '\${{ outcome.error }}', stage: '\${{ outcome.stage }}', first: '\${{ stages.first.status }}' }
    job: { command: 'true' }
  - { name: undo, hook: onCancel, params: { why: '\${{ outcome.error }}' }, job: { command: 'true' } }
  - { name: first, job: { command: 'true' } }
  - { name: second, dependsOn: [first], job: { command: 'true' } }
`;

describeDatabases('a hook stage', (engine) => {
  afterEach(() => plane.end());

  it('runs after all other stages when it is for every case, and only then', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(HOOKED);
    const { runs, ran } = await work(root);
    expect(ran).toEqual([
      { stage: 'first', params: {} },
      { stage: 'second', params: {} },
      { stage: 'tidy', params: { why: 'completed' } },
    ]);
    expect(statusOf(runs, '', 'tell', 'undo')).toEqual(['completed', 'skipped', 'skipped']);
    expect([runs.get('tell')!.reason, runs.get('undo')!.reason]).toEqual(['not_needed', 'not_needed']);
    expect(runs.get('tidy')!.dependsOn).toEqual(['second']);
  });

  it('runs on a failure with what failed, which stays the end of the run', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(HOOKED);
    const { runs, ran } = await work(root, (stage) => (stage === 'first' ? 'failed' : 'completed'));
    expect(ran.slice(1).sort((a, b) => (a.stage < b.stage ? -1 : 1))).toEqual([
      {
        stage: 'tell',
        params: { error: 'Stage "first" failed: exit code 1', stage: 'first', first: 'failed' },
      },
      { stage: 'tidy', params: { why: 'failed' } },
    ]);
    expect(statusOf(runs, '', 'second', 'undo')).toEqual(['failed', 'skipped', 'skipped']);
    expect(runs.get('')!.error!.message).toBe('Stage "first" failed: exit code 1');
  });

  it('runs on a cancel, not as on a failure, and is not cancelled with the rest', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(HOOKED);
    await cancel(root, '');
    const { runs, ran } = await work(root);
    expect(ran.map(({ stage }) => stage).sort()).toEqual(['tidy', 'undo']);
    expect(ran.find(({ stage }) => stage === 'undo')!.params).toEqual({ why: 'enough' });
    expect(statusOf(runs, '', 'first', 'second', 'tell')).toEqual([
      'cancelled',
      'cancelled',
      'cancelled',
      'skipped',
    ]);
  });

  it('runs once, after the last try of what is retried', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(`
name: retried
stages:
  - { name: flaky, job: { command: 'true' }, retry: { attempts: 3, backoff: 0 } }
  - { name: tell, hook: onFailure, job: { command: 'true' } }
`);
    const { ran } = await work(root, (stage) => (stage === 'flaky' ? 'failed' : 'completed'));
    expect(ran.map(({ stage }) => stage)).toEqual(['flaky', 'flaky', 'flaky', 'tell']);
  });

  it('belongs to its level: inner hooks run before the outer stages go on', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(`
name: levels
failPolicy: fail_fast
onSiblings: cancel
stages:
  - name: inner
    pipeline:
      stages:
        - { name: bad, job: { command: 'true' } }
        - { name: tell, hook: onFailure, params: { stage: '\${{ outcome.stage }}' }, job: { command: 'true' } }
  - { name: after, dependsOn: [inner], job: { command: 'true' } }
  - name: other
    pipeline:
      stages:
        - { name: wait, dependsOn: [], when: '\${{ false }}', job: { command: 'true' } }
  - { name: tidy, hook: always, job: { command: 'true' } }
`);
    const { runs, ran } = await work(root, (stage) => (stage === 'inner/bad' ? 'failed' : 'completed'));
    expect(ran).toEqual([
      { stage: 'inner/bad', params: {} },
      { stage: 'inner/tell', params: { stage: 'inner/bad' } },
      { stage: 'tidy', params: {} },
    ]);
    expect(statusOf(runs, '', 'inner', 'after')).toEqual(['failed', 'failed', 'skipped']);
  });

  it('fails a run that had completed when it fails itself, and keeps an earlier failure', async () => {
    plane = await startControlPlane(engine);
    const failing = (stage: string): Act => (stage === 'tidy' ? 'failed' : 'completed');
    const completed = await work(await plane.submit(HOOKED), failing);
    expect(completed.runs.get('')).toMatchObject({ status: 'failed', error: { path: 'tidy' } });
    const failed = await work(await plane.submit(HOOKED), (stage) =>
      stage === 'first' ? 'failed' : failing(stage),
    );
    expect(failed.runs.get('')).toMatchObject({ status: 'failed', error: { path: 'first' } });
  });

  it('waits for every item of a foreach, may be one itself, and knows the outcome in each', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(`
name: items
stages:
  - { name: each, foreach: { item: x, in: [1, 2] }, job: { command: 'true' } }
  - name: tell
    hook: onFailure
    foreach: { item: to, in: [ada, bob] }
    when: \${{ outcome.status == 'failed' }}
    params: { text: '\${{ item.to + ": " + outcome.stage }}' }
    job: { command: 'true' }
`);
    const { ran } = await work(root, (stage) => (stage === 'each[1]' ? 'failed' : 'completed'));
    expect(
      ran
        .slice(2)
        .map(({ params }) => params['text'])
        .sort(),
    ).toEqual(['ada: each[1]', 'bob: each[1]']);
  });
});

it('refuses hooks that wait for something, or are waited for', () => {
  const faultsOf = (stages: string) => {
    const parsed = parseDefinition(`name: x\nstages:\n${stages}`);
    return parsed.ok ? [] : parsed.faults.map(({ line, message }) => `${line}: ${message}`);
  };
  const first = "  - { name: first, job: { command: 'true' } }\n";
  expect(
    faultsOf(`${first}  - { name: tell, hook: always, dependsOn: [first], job: { command: 'true' } }`)[0],
  ).toMatch(/^4: .*waits for all other stages/);
  expect(
    faultsOf(
      `${first}  - { name: tell, hook: always, job: { command: 'true' } }\n  - { name: b, dependsOn: [tell], job: { command: 'true' } }`,
    ),
  ).toEqual([expect.stringMatching(/^5: "b" depends on "tell", which is a hook/)]);
  expect(faultsOf("  - { name: tell, hook: always, job: { command: 'true' } }")[0]).toMatch(
    /needs a stage that is no hook/,
  );
  expect(faultsOf(`${first}  - { name: t, hook: onExit, job: { command: 'true' } }`)[0]).toMatch(
    /^4: .*onFailure/,
  );
  expect(faultsOf("  - { name: a, job: { command: '${{ outcome.status }}' } }")[0]).toMatch(
    /^3: .*no outcome here/,
  );
});

describeDatabases('a hook of a pipeline that ran out of time', (engine) => {
  afterEach(() => plane.end());

  it('runs after the deadline, knows that, and leaves the run timed out', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(HOOKED.replace('stages:', 'deadline: 300ms\nstages:'));
    const [first] = await plane.claim(agent);
    await plane.report(first!, 'started');
    await plane.until(root, (runs) => runs.get('first')!.status === 'cancelling');
    await plane.report(first!, 'cancelled');
    const { runs, ran } = await work(root);
    expect(ran.map(({ stage }) => stage).sort()).toEqual(['tell', 'tidy']);
    expect(ran.find(({ stage }) => stage === 'tidy')!.params).toEqual({ why: 'timed_out' });
    expect(ran.find(({ stage }) => stage === 'tell')!.params).toMatchObject({ stage: 'first' });
    expect(statusOf(runs, '', 'first', 'undo')).toEqual(['timed_out', 'timed_out', 'skipped']);
  });

  it('knows the stages that had begun and not ended, whatever they were doing, and no others', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: slow
deadline: 500ms
stages:
  - { name: done, job: { command: 'true' } }
  - name: inner
    dependsOn: [done]
    pipeline:
      stages:
        - { name: ask, approval: { message: Well? } }
        - { name: queued, job: { command: 'true' } }
        - { name: later, dependsOn: [queued], job: { command: 'true' } }
  - { name: tell, hook: onFailure, params: { stage: '\${{ outcome.stage }}' }, job: { command: 'true' } }
`);
    const [done] = await plane.claim(agent);
    await plane.report(done!, 'completed');
    await plane.until(root, (runs) => runs.get('inner')!.endedAt !== null);
    const { ran } = await work(root);
    expect(ran).toEqual([{ stage: 'tell', params: { stage: 'inner/ask, inner/queued' } }]);
  });
});
