import { expect, it } from 'vitest';
import type { Fact } from './facts.ts';
import { inOrderOfTime, type TreeWork, type WorkStep } from './tree-work.ts';

const started = (node: number, at: number): Fact => ({ kind: 'started', node, attempt: 1, at });
const cancel = (node: number, at: number): Fact => ({ kind: 'cancel', node, at, reason: 'enough' });
const timer = (atMs: number) => ({
  rootId: 'r',
  atMs,
  node: 0,
  kind: 'deadline' as const,
  attempt: undefined,
});
const work = (facts: readonly Fact[], timers: TreeWork['timers'] = []): TreeWork => ({
  rootId: 'r',
  timers,
  facts: facts.map((event, id) => ({ id, root_id: 'r', event })),
  reports: [],
});
const told = (step: WorkStep) =>
  'fact' in step ? `${step.fact.node}@${step.fact.at}` : 'timer' in step ? `timer@${step.timer.atMs}` : '';
const order = (facts: readonly Fact[], ...timers: number[]) =>
  inOrderOfTime(work(facts, timers.map(timer))).map(told);

it('keeps the order in which facts came as long as no timer is due', () => {
  expect(order([started(1, 30), started(2, 10)])).toEqual(['1@30', '2@10']);
});

it('takes a timer after what had happened by then, and before the rest', () => {
  expect(order([started(1, 30), started(2, 10), started(3, 20)], 20)).toEqual([
    '2@10',
    '3@20',
    'timer@20',
    '1@30',
  ]);
});

it('keeps the order of what concerns one stage, whatever its clocks say', () => {
  expect(order([cancel(1, 30), started(1, 10), started(2, 10)], 20)).toEqual([
    '2@10',
    'timer@20',
    '1@30',
    '1@10',
  ]);
});
