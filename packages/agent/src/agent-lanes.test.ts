import { expect, test } from 'vitest';
import { agentLanes, laneOf } from './agent-lanes.ts';

test('queues with slots of their own have a lane each, the others share one', () => {
  const lanes = agentLanes(['default', { name: 'training', slots: 1 }, 'short'], 4);
  expect(lanes).toEqual([
    { queues: ['default', 'short'], slots: 4 },
    { queues: ['training'], slots: 1 },
  ]);
  expect(['short', 'training', 'gone'].map((queue) => laneOf(lanes, queue))).toEqual([0, 1, 0]);
  expect(agentLanes([{ name: 'training', slots: 2 }], 4)).toEqual([{ queues: ['training'], slots: 2 }]);
});

test('queues that cannot be served are refused', () => {
  const refused = (queues: Parameters<typeof agentLanes>[0]) => () => agentLanes(queues, 1);
  expect(refused([])).toThrow('at least one queue');
  expect(refused(['a', { name: 'a', slots: 1 }])).toThrow('"a" is named twice');
  expect(refused([{ name: 'a', slots: 0 }])).toThrow('"a" has 0 slots');
});
