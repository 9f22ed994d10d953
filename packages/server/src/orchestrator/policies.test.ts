import { triggerRuleNames } from '@trainyard/dag';
import { TRIGGER_RULES } from '@trainyard/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { parseDefinition } from '../definition/index.ts';
import { testDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

/** Each rule with the outcomes of two dependencies, and whether the stage behind them then runs. */
const RULES: readonly [
  rule: string,
  left: 'completed' | 'failed',
  right: 'completed' | 'failed',
  runs: boolean,
][] = [
  ['all_success', 'completed', 'completed', true],
  ['all_success', 'completed', 'failed', false],
  ['all_done', 'failed', 'completed', true],
  ['one_success', 'failed', 'completed', true],
  ['one_success', 'failed', 'failed', false],
  ['one_failed', 'completed', 'failed', true],
  ['one_failed', 'completed', 'completed', false],
  ['none_failed', 'completed', 'completed', true],
  ['none_failed', 'failed', 'completed', false],
  ['none_failed_min_one_success', 'completed', 'completed', true],
  ['none_failed_min_one_success', 'failed', 'completed', false],
  ['all_failed', 'failed', 'failed', true],
  ['all_failed', 'completed', 'failed', false],
  ['always', 'failed', 'failed', true],
];

describe('policies of a stage on the durable path', () => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  it('knows the trigger rules of the engine and no others', async () => {
    plane = await startControlPlane(testDatabases()[0]!);
    expect(TRIGGER_RULES).toEqual(triggerRuleNames);
  });

  it.each(RULES)('with the rule %s, after %s and %s: runs is %s', async (rule, left, right, runs) => {
    plane = await startControlPlane(testDatabases()[0]!);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: rules
stages:
  - { name: left, job: { command: 'true' } }
  - { name: right, job: { command: 'true' } }
  - { name: after, dependsOn: [left, right], triggerRule: ${rule}, job: { command: 'true' } }
`);
    for (const assigned of await plane.claim(agent)) {
      await plane.report(assigned, assigned.spec.stage === 'left' ? left : right);
    }
    const after = (await plane.settled(root)).get('after')!;
    expect(after.status).toBe(runs ? 'queued' : 'skipped');
    for (const assigned of await plane.claim(agent)) await plane.report(assigned, 'completed');
    const ended = (await plane.settled(root)).get('')!;
    expect(ended.status).toBe([left, right].includes('failed') ? 'failed' : 'completed');
  });

  it('cancels running siblings when fail_fast asks for it', async () => {
    plane = await startControlPlane(testDatabases()[0]!);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: fast
failPolicy: fail_fast
onSiblings: cancel
stages:
  - { name: bad, job: { command: 'true' } }
  - { name: slow, job: { command: 'true' } }
`);
    const [bad, slow] = await plane.claim(agent);
    await plane.report(slow!, 'started');
    await plane.report(bad!, 'failed');
    expect((await plane.settled(root)).get('slow')!.status).toBe('cancelling');
    const held = [{ attemptId: slow!.spec.attemptId, epoch: 1, cancelling: false }];
    expect((await plane.attempts.heartbeat(agent, held)).commands).toMatchObject([{ action: 'cancel' }]);
    await plane.report(slow!, 'cancelled');
    const ended = await plane.settled(root);
    expect([ended.get('slow')!.status, ended.get('')!.status]).toEqual(['cancelled', 'failed']);
  });

  it('tries again only what retryOn names', async () => {
    plane = await startControlPlane(testDatabases()[0]!);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: choosy
stages:
  - { name: yes, job: { command: 'true' }, retry: { attempts: 2, backoff: 0, jitter: 0.5, retryOn: [exit_code] } }
  - { name: no, job: { command: 'true' }, retry: { attempts: 2, backoff: 0, retryOn: [signal] } }
`);
    for (const assigned of await plane.claim(agent)) await plane.report(assigned, 'failed');
    const runs = await plane.settled(root);
    expect(runs.get('no')).toMatchObject({ status: 'failed', attempt: 1 });
    expect(runs.get('yes')!.endedAt).toBeNull();
  });

  it.each([
    ['${{ params.epochs > 1 }}', 'queued'],
    ['${{ params.epochs > 5 }}', 'skipped'],
    ['${{ stages.first.outputs.score >= 0.5 }}', 'queued'],
    ['${{ stages.first.outputs.score < 0.5 }}', 'skipped'],
    ["${{ stages.first.status == 'completed' }}", 'queued'],
    ['false', 'skipped'],
  ])('with the condition %s the stage is %s', async (when, status) => {
    plane = await startControlPlane(testDatabases()[0]!);
    const agent = await plane.agent();
    const root = await plane.submit(conditional(when), { params: { epochs: 3 } });
    const [first] = await plane.claim(agent);
    await plane.report(first!, 'completed', { outputs: { score: 0.5 } });
    const runs = await plane.settled(root);
    expect(runs.get('second')!.status).toBe(status);
    if (status === 'skipped') {
      expect(runs.get('second')!.reason).toBe('condition');
      expect(runs.get('')!.status).toBe('completed');
    }
  });

  it.each([
    ['${{ stages.first.outputs.score }}', 'is 0.5, not true or false'],
    ['${{ stages.first.outputs.nothing > 1 }}', 'nothing'],
  ])('fails a stage whose condition %s has no answer', async (when, says) => {
    plane = await startControlPlane(testDatabases()[0]!);
    const agent = await plane.agent();
    const root = await plane.submit(conditional(when), { params: { epochs: 3 } });
    const [first] = await plane.claim(agent);
    await plane.report(first!, 'completed', { outputs: { score: 0.5 } });
    const second = (await plane.settled(root)).get('second')!;
    expect(second).toMatchObject({ status: 'failed', error: { code: 'expression' } });
    expect(second.error!.message).toContain(says);
  });
});

it('refuses a condition that is no expression, or refers to what is not before it', () => {
  const faultsOf = (when: string) => {
    const parsed = parseDefinition(conditional(when));
    return parsed.ok ? [] : parsed.faults.map((fault) => `${fault.line}: ${fault.message}`);
  };
  expect(faultsOf('yes please')[0]).toMatch(/^8: .*one expression/);
  expect(faultsOf('${{ stages.second.status }}')[0]).toMatch(/^8: .*second/);
  expect(faultsOf('${{ params.epoch > 1 }}')[0]).toMatch(/^8: .*epochs/);
});

function conditional(when: string): string {
  return `
name: conditional
params: { epochs: { type: integer, default: 3 } }
stages:
  - { name: first, job: { command: 'true' } }
  - name: second
    dependsOn: [first]
    when: ${when}
    job: { command: 'true' }
`;
}
