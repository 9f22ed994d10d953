import { expect } from 'vitest';
import type { Effect } from '../events.ts';
import type { NodeStatus } from '../node-status.ts';
import { holdsPlace, isSuccess, isTerminal, transitions } from '../node-status.ts';
import type { Plan } from '../plan.ts';
import { nodeSnapshot } from '../state.ts';
import type { SimulationResult } from './simulate.ts';

/** `leaf pending -> active` for every status change seen so far. */
export type SeenTransitions = Set<string>;

const allowed = new Set(
  transitions.flatMap(({ from, to, of }) =>
    (of === 'both' ? ['leaf', 'group'] : [of]).map((kind) => `${kind} ${from} -> ${to}`),
  ),
);

/** What must hold in every run, whatever fails, is lost, late or cancelled. */
export function expectLawfulRun(
  plan: Plan,
  result: SimulationResult,
  seen: SeenTransitions = new Set(),
): void {
  const replay: Replay = {
    statuses: plan.nodes.map(() => 'pending'),
    active: plan.nodes.map(() => 0),
  };
  const { statuses } = replay;
  const ready = new Set<number>();
  const attempts = new Array<number>(plan.nodes.length).fill(0);
  let finished = 0;
  for (const { effect } of result.log) {
    if (effect.type === 'node_status') follow(plan, replay, effect, seen);
    else if (effect.type === 'node_ready') {
      expect(ready.has(effect.node), 'ready only once').toBe(false);
      expect(statuses[effect.node]).toBe('pending');
      ready.add(effect.node);
    } else if (effect.type === 'start_leaf') {
      expect(ready.has(effect.node), 'ready before started').toBe(true);
      attempts[effect.node]! += 1;
      expect(effect.attempt).toBe(attempts[effect.node]);
    } else if (effect.type === 'finished') {
      finished += 1;
      expect(statuses[0]).toBe(effect.status);
    }
  }
  expect(finished, 'finished exactly once').toBe(1);
  expect(
    statuses.filter((status) => !isTerminal(status)),
    'nodes that never ended',
  ).toEqual([]);
  for (const { index } of plan.nodes) {
    expect(nodeSnapshot(result.state, index)).toMatchObject({ status: statuses[index], retryAt: null });
  }
  if (result.status === 'completed') expect(statuses.every(isSuccess)).toBe(true);
  if (result.status === 'failed') expect(plan.indexByPath.has(result.error?.path ?? '?')).toBe(true);
}

interface Replay {
  readonly statuses: NodeStatus[];
  /** Per group: children that hold a place. */
  readonly active: number[];
}

function follow(
  plan: Plan,
  replay: Replay,
  { node, status }: Extract<Effect, { type: 'node_status' }>,
  seen: SeenTransitions,
): void {
  const { statuses, active } = replay;
  const { isGroup, parent, dependsOn, children } = plan.nodes[node]!;
  const before = statuses[node]!;
  const change = `${isGroup ? 'group' : 'leaf'} ${before} -> ${status}`;
  if (!allowed.has(change)) expect.fail(`${change} is not in the table of transitions`);
  seen.add(change);
  statuses[node] = status;
  if (parent >= 0) active[parent]! += Number(holdsPlace(status)) - Number(holdsPlace(before));
  if (status === 'active') {
    const unmet = dependsOn.filter((dependency) => !isSuccess(statuses[dependency]!));
    expect(unmet, 'dependencies first').toEqual([]);
    if (parent < 0) return;
    expect(statuses[parent], 'inside a started group').toBe('active');
    expect(active[parent]).toBeLessThanOrEqual(plan.nodes[parent]!.group!.maxParallel);
  }
  // A group that never started ends together with what is in it, the group first.
  if (isGroup && isTerminal(status) && before !== 'pending') {
    const open = children.filter((child) => !isTerminal(statuses[child]!));
    expect(open, 'children end before their group').toEqual([]);
  }
}
