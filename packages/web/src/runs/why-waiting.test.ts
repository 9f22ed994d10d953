import type { AgentInfo } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { sampleTree } from '../testing/sample-runs.ts';
import { texts } from '../texts.ts';
import { buildRunModel, findByPath } from './run-model.ts';
import { whyWaiting } from './why-waiting.ts';

const model = buildRunModel(
  sampleTree('t', [
    { name: 'a', status: 'completed' },
    { name: 'b', status: 'running' },
    { name: 'c', dependsOn: ['a', 'b'] },
    { name: 'd', dependsOn: ['a'] },
    { name: 'e', dependsOn: ['b'], stages: [{ name: 'x' }] },
    { name: 'f', status: 'queued' },
  ]),
);
const why = (path: string, agents: AgentInfo[] = []) =>
  whyWaiting(model, findByPath(model, path)!, agents, []);

test('a pending stage names the dependencies that are not met', () => {
  expect(why('c')).toBe(texts.details.whyDependencies('b (running)'));
});

test('a pending stage with all dependencies met waits for room, or for its group to start', () => {
  expect(why('d')).toBe(texts.details.whyRoom);
  expect(why('e/x')).toBe(texts.details.whyParent('e'));
});

test('a queued stage tells whether agents are missing, full or free', () => {
  expect(why('f')).toBe(texts.details.whyAgentNone);
  expect(why('f', [agent(2, 2)])).toBe(texts.details.whyAgentFull(2, 2));
  expect(why('f', [agent(1, 2)])).toBe(texts.details.whyAgent);
});

test('a queued stage names the pool or group that has no room, a queued run its group', () => {
  const run = findByPath(model, 'f')!;
  const waits = [{ runId: run.id, path: 'f', reason: 'the pool "licence" is full' }];
  expect(whyWaiting(model, run, [agent(1, 2)], waits)).toBe('The pool "licence" is full.');
  const root = { ...run, kind: 'pipeline' as const, reason: 'waits for its turn' };
  expect(whyWaiting(model, root, [agent(1, 2)], [])).toBe('Waits for its turn.');
});

test('a running or ended stage does not wait', () => {
  expect(why('a')).toBeUndefined();
  expect(why('b')).toBeUndefined();
});

function agent(busySlots: number, slots: number): AgentInfo {
  return {
    id: 'agt',
    name: 'box',
    hostname: 'box',
    version: '0',
    slots,
    busySlots,
    queues: [],
    gpus: 0,
    labels: {},
    telemetry: null,
    outOfService: [],
    draining: false,
    online: true,
    lastSeenAt: '',
    createdAt: '',
  };
}
