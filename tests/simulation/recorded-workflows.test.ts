import { type Plan, simulate } from '@trainyard/dag';
import { importWfFormat, parseDefinition } from '@trainyard/server/definition';
import { describe, expect, it } from 'vitest';
import { recordedWorkflows } from '../support/recorded-workflows.ts';

const cases = recordedWorkflows().flatMap((workflow) =>
  [1, 4, 16, 64].map((parallel) => ({ ...workflow, parallel })),
);

describe('recorded workflows in simulated time', () => {
  it.each(cases)('$name, $parallel at once, is as fast as list scheduling', ({ source, parallel }) => {
    const { plan, runtimeMs } = imported(source, parallel);
    const result = simulate(plan, { attempt: ({ index }) => ({ durationMs: runtimeMs(index) }) });
    expect(result.status).toBe('completed');
    expect(result.runs).toHaveLength(plan.nodes.length - 1);
    const work = plan.nodes.slice(1).reduce((sum, { index }) => sum + runtimeMs(index), 0);
    const critical = criticalPathMs(plan, runtimeMs);
    // No schedule at all is shorter than the longest path, nor than the work shared out evenly.
    expect(result.makespanMs).toBeGreaterThanOrEqual(Math.max(critical, work / parallel) - 1e-3);
    // None that leaves no place free while something is ready is longer (Graham, "Bounds on multiprocessing
    // timing anomalies", 1969); for one of these it may be far from the shortest.
    expect(result.makespanMs).toBeLessThanOrEqual(work / parallel + (1 - 1 / parallel) * critical + 1e-3);
    // And against a list scheduler written down plainly, which takes what is ready in the order of the file.
    expect(result.makespanMs).toBeLessThanOrEqual(1.05 * listScheduleMs(plan, runtimeMs, parallel));
  });
});

function imported(source: string, maxParallel: number) {
  const result = importWfFormat(source, { maxParallel });
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  const checked = parseDefinition(JSON.stringify(result.input));
  if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
  const { stages } = checked.definition;
  const runtimeMs = (index: number): number =>
    Number(stages[index - 1]!.params?.['runtimeInSeconds']) * 1_000;
  return { plan: checked.plan, runtimeMs };
}

type Runtime = (index: number) => number;

function criticalPathMs(plan: Plan, runtimeMs: Runtime): number {
  const endAt = new Map<number, number>();
  for (const index of plan.nodes[0]!.group!.layers.flat()) {
    const startAt = Math.max(0, ...plan.nodes[index]!.dependsOn.map((dependency) => endAt.get(dependency)!));
    endAt.set(index, startAt + runtimeMs(index));
  }
  return Math.max(...endAt.values());
}

function listScheduleMs(plan: Plan, runtimeMs: Runtime, places: number): number {
  const waiting = new Set(plan.nodes.slice(1).map(({ index }) => index));
  const running = new Map<number, number>();
  const ended = new Set<number>();
  let now = 0;
  while (waiting.size + running.size > 0) {
    for (const index of waiting) {
      if (running.size === places) break;
      if (!plan.nodes[index]!.dependsOn.every((dependency) => ended.has(dependency))) continue;
      waiting.delete(index);
      running.set(index, now + runtimeMs(index));
    }
    now = Math.min(...running.values());
    for (const [index, endAt] of running) {
      if (endAt > now) continue;
      running.delete(index);
      ended.add(index);
    }
  }
  return now;
}
