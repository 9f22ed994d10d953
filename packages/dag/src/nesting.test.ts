import { describe, expect, it } from 'vitest';
import type { Dag, DagNode } from './definition.ts';
import type { RunEvent } from './run-dag.ts';
import { runDag } from './run-dag.ts';

describe('nested DAGs', () => {
  it.each([1, 2, 4])('complete ten levels deep and eight wide with a pool of %d', async (concurrency) => {
    let running = 0;
    let most = 0;
    const result = await runDag(
      tower(10, 8),
      async () => {
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
      },
      { concurrency },
    );
    expect(result.status).toBe('completed');
    expect(result.summary.total).toBe(10 * 8 + 9);
    expect(most).toBe(concurrency);
  });

  it('refuse the eleventh level with the exact message and start nothing', async () => {
    const run = runDag(tower(11, 1), () => expect.unreachable());
    await expect(run).rejects.toThrow(/^DAG nesting depth exceeds limit \(10\)$/);
  });

  it('carry a failure from the fifth level to the root, naming every level', async () => {
    const result = await runDag(tower(5, 2), ({ depth, name }) => {
      if (depth === 5 && name === 'leaf1') throw new Error('exit code 3');
    });
    const path = 'inner/inner/inner/inner/leaf1';
    expect(result.status).toBe('failed');
    expect(result.error).toEqual({ code: 'error', message: `Stage "${path}" failed: exit code 3`, path });
    const groups = result.nodes.filter((node) => node.path.endsWith('inner'));
    expect(groups.map(({ status, error }) => [status, error?.path])).toEqual(
      groups.map(() => ['failed', path]),
    );
  });

  it.each([2, 16])('run %d in parallel, each ready, started and ended exactly once', async (count) => {
    const events: RunEvent[] = [];
    const nodes = Array.from({ length: count }, (_, i): DagNode => ({ name: `g${i}`, dag: tower(1, 3) }));
    const result = await runDag({ maxParallel: count, nodes }, () => Promise.resolve(), {
      concurrency: 2,
      onEvent: (event) => events.push(event),
    });
    expect(result.status).toBe('completed');
    for (const { path } of result.nodes) {
      const own = events.filter((event) => event.path === path);
      expect(own.map(({ type }) => type)).toEqual(['ready', 'start', 'end']);
    }
    const firstEnd = events.findIndex(({ type, path }) => type === 'end' && /^g\d+$/.test(path));
    const started = events
      .slice(0, firstEnd)
      .filter(({ type, path }) => type === 'start' && /^g\d+$/.test(path));
    expect(started, 'all are open at the same time').toHaveLength(count);
  });

  it('never run the dependents of failing nodes, whatever the order of events', async () => {
    const ran: string[] = [];
    const nodes = Array.from({ length: 200 }, (_, i): DagNode[] => [
      { name: `up${i}`, dag: tower(2, 2) },
      {
        name: `down${i}`,
        dependsOn: [`up${i}`, `up${(i * 7) % 200}`].filter((it, at, all) => all.indexOf(it) === at),
      },
    ]).flat();
    const result = await runDag({ maxParallel: 50, nodes }, ({ path }) => {
      ran.push(path);
      if (path.endsWith('leaf1') && path.length % 2 === 0) throw new Error('no');
    });
    const failed = new Set(result.summary.failed);
    for (const { name, dependsOn } of nodes) {
      if (dependsOn?.some((it) => failed.has(it))) expect(ran).not.toContain(name);
    }
    expect(result.summary.skipped.length).toBeGreaterThan(0);
  });
});

/** So many DAGs inside each other, each with `width` leaves beside the next level. */
function tower(levels: number, width: number): Dag {
  const leaves = Array.from({ length: width }, (_, i): DagNode => ({ name: `leaf${i}` }));
  if (levels === 1) return { nodes: leaves };
  return { nodes: [{ name: 'inner', dag: tower(levels - 1, width) }, ...leaves] };
}
