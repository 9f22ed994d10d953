import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import { expectLawfulRun } from './testing/observe.testsuite.ts';
import { planOf } from './testing/random-dag.testsuite.ts';
import { simulate } from './testing/simulate.ts';

/** Recorded scientific workflows of wfcommons/WfInstances (WfFormat 1.5), not part of the repository. */
const directory = fileURLToPath(new URL('../../../../shared/data/wfinstances/', import.meta.url));
const files = existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith('.json')) : [];

describe('recorded workflows', () => {
  if (files.length === 0) {
    it('keep to the list-scheduling bound', ({ skip }) => skip(`no recorded workflows in ${directory}`));
  }

  it.each(files.flatMap((file) => [1, 8, 64].map((slots) => ({ file, slots }))))(
    '$file with $slots slots keeps to the list-scheduling bound',
    ({ file, slots }) => {
      const { dag, runtimeMs } = readWorkflow(`${directory}/${file}`, slots);
      const plan = planOf(dag);
      const result = simulate(plan, { attempt: ({ name }) => ({ durationMs: runtimeMs.get(name)! }) });
      expectLawfulRun(plan, result);
      expect(result.status).toBe('completed');
      const total = [...runtimeMs.values()].reduce((sum, it) => sum + it, 0);
      const critical = criticalPathMs(dag, runtimeMs);
      expect(result.makespanMs).toBeGreaterThanOrEqual(Math.max(critical, Math.ceil(total / slots)));
      // Graham, "Bounds on multiprocessing timing anomalies", 1969.
      expect(result.makespanMs).toBeLessThanOrEqual(total / slots + (1 - 1 / slots) * critical + 1e-6);
    },
  );
});

interface WfInstance {
  readonly workflow: {
    readonly specification: {
      readonly tasks: readonly { readonly id: string; readonly parents: readonly string[] }[];
    };
    readonly execution: {
      readonly tasks: readonly { readonly id: string; readonly runtimeInSeconds: number }[];
    };
  };
}

function readWorkflow(file: string, maxParallel: number): { dag: Dag; runtimeMs: Map<string, number> } {
  const { workflow } = JSON.parse(readFileSync(file, 'utf8')) as WfInstance;
  const nodes = workflow.specification.tasks.map(({ id, parents }) => ({
    name: id,
    dependsOn: [...new Set(parents)],
  }));
  const times = workflow.execution.tasks.map(
    (it) => [it.id, Math.round(it.runtimeInSeconds * 1_000)] as const,
  );
  return { dag: { maxParallel, nodes }, runtimeMs: new Map(times) };
}

function criticalPathMs(dag: Dag, runtimeMs: ReadonlyMap<string, number>): number {
  const { nodes } = planOf(dag);
  const endAt = new Map<number, number>();
  for (const index of nodes[0]!.group!.layers.flat()) {
    const { name, dependsOn } = nodes[index]!;
    const startAt = Math.max(0, ...dependsOn.map((dependency) => endAt.get(dependency)!));
    endAt.set(index, startAt + runtimeMs.get(name)!);
  }
  return Math.max(...endAt.values());
}
