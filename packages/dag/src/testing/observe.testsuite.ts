import { expect } from 'vitest';
import type { Effect } from '../events.ts';
import { planOf } from '../expansion.ts';
import type { NodeStatus } from '../node-status.ts';
import { holdsPlace, isSuccess, isTerminal, skipReasons, transitions } from '../node-status.ts';
import type { Plan } from '../plan.ts';
import { nodeSnapshot } from '../state.ts';
import type { Seen } from './reference-model.testsuite.ts';
import { plainRules } from './reference-model.testsuite.ts';
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
  planned: Plan,
  result: SimulationResult,
  seen: SeenTransitions = new Set(),
): void {
  const plan = planOf(planned, result.state);
  const replay: Replay = {
    statuses: plan.nodes.map(() => 'pending'),
    seen: plan.nodes.map(() => null),
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
  if (result.status === 'completed') {
    const isUnderForeach = (at: number): boolean =>
      at > 0 && (plan.nodes[at]!.item !== null || isUnderForeach(plan.nodes[at]!.parent));
    const counted = replay.seen.filter((_, index) => !isUnderForeach(index));
    expect(counted).not.toContain('failure');
  }
  if (result.status === 'failed') expect(plan.indexByPath.has(result.error?.path ?? '?')).toBe(true);
}

interface Replay {
  readonly statuses: NodeStatus[];
  /** What each counts as for its dependents. */
  readonly seen: Seen[];
  /** Per group: children that hold a place. */
  readonly active: number[];
}

function follow(
  plan: Plan,
  replay: Replay,
  { node, status, reason }: Extract<Effect, { type: 'node_status' }>,
  seen: SeenTransitions,
): void {
  const { statuses, active } = replay;
  const { isGroup, parent, dependsOn, children, triggerRule, takesNoPlace } = plan.nodes[node]!;
  const before = statuses[node]!;
  const change = `${isGroup ? 'group' : 'leaf'} ${before} -> ${status}`;
  if (!allowed.has(change)) expect.fail(`${change} is not in the table of transitions`);
  seen.add(change);
  statuses[node] = status;
  if (isTerminal(status)) replay.seen[node] = seenAs(status, reason);
  if (parent >= 0 && !takesNoPlace) {
    active[parent]! += Number(holdsPlace(status)) - Number(holdsPlace(before));
  }
  if (status === 'active') {
    const met = plainRules[triggerRule](dependsOn.map((dependency) => replay.seen[dependency]!));
    expect(met, 'dependencies first').toBe(true);
    if (parent < 0) return;
    const around = triggerRule === 'always' ? ['active', 'cancelling'] : ['active'];
    expect(around, 'inside a started group').toContain(statuses[parent]);
    expect(active[parent]).toBeLessThanOrEqual(plan.nodes[parent]!.group!.maxParallel);
  }
  // A group that never started ends together with what is in it, the group first.
  if (isGroup && isTerminal(status) && before !== 'pending') {
    const open = children.filter((child) => !isTerminal(statuses[child]!));
    expect(open, 'children end before their group').toEqual([]);
  }
}

function seenAs(status: NodeStatus, reason: string | undefined): Seen {
  if (isSuccess(status)) return 'success';
  const known = Object.entries(skipReasons).find(([name]) => name === reason);
  return status === 'skipped' && known?.[1].isFailure === false ? 'skip' : 'failure';
}
