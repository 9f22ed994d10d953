import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import type { LeafContext } from './leaf-attempt.ts';
import type { RunEvent } from './run-dag.ts';
import { InvalidDagError, runDag } from './run-dag.ts';
import { SimulatedClock } from './testing/simulated-clock.ts';

describe('runDag', () => {
  it('runs leaves in order of their dependencies and sums up', async () => {
    const ran: string[] = [];
    const result = await runDag(pipeline, ({ path }) => void ran.push(path));
    expect(ran).toEqual(['prepare', 'sweep/small', 'sweep/large', 'report']);
    expect(result.status).toBe('completed');
    expect(result.summary).toEqual({
      total: 5,
      completed: ['prepare', 'sweep', 'sweep/small', 'sweep/large', 'report'],
      failed: [],
      skipped: [],
      cancelled: [],
    });
  });

  it('reports failures by path, skips dependents and still resolves', async () => {
    const result = await runDag(pipeline, ({ path }) => {
      if (path === 'sweep/large') throw new Error('loss is NaN');
    });
    expect(result.status).toBe('failed');
    expect(result.error).toMatchObject({
      message: 'Stage "sweep/large" failed: loss is NaN',
      path: 'sweep/large',
    });
    expect(result.summary).toMatchObject({ failed: ['sweep', 'sweep/large'], skipped: ['report'] });
  });

  it('takes an outcome that the handler returns, and refuses one that it does not know', async () => {
    const returned = (value: unknown) => runDag({ nodes: [{ name: 'a' }] }, () => value);
    expect((await returned({ outcome: 'stopped' })).nodes[0]?.status).toBe('stopped');
    const failed = await returned({ outcome: 'failed', error: { code: 'E7', message: 'no' } });
    expect(failed.nodes[0]?.error).toEqual({ code: 'E7', message: 'no', path: 'a' });
    expect((await returned({ outcome: 'success' })).nodes[0]?.error?.code).toBe('unknown_outcome');
    expect((await returned({ loss: 0.1 })).status).toBe('completed');
  });

  it('tells what happens to each node in order, with depth', async () => {
    const events: RunEvent[] = [];
    await runDag(pipeline, () => {}, { onEvent: (event) => events.push(event) });
    const of = (path: string) => events.filter((event) => event.path === path).map(({ type }) => type);
    for (const path of ['prepare', 'sweep', 'sweep/small', 'report'])
      expect(of(path)).toEqual(['ready', 'start', 'end']);
    expect(events.find((it) => it.path === 'sweep/small' && it.type === 'start')).toMatchObject({
      depth: 2,
      attempt: 1,
    });
  });

  it('retries on the injected clock with exponential back-off', async () => {
    const clock = new SimulatedClock(1_000);
    const startedAt: number[] = [];
    const retry = { attempts: 4, backoffMs: 100, factor: 2, maxBackoffMs: 10_000 };
    const done = runDag(
      { nodes: [{ name: 'a', retry }] },
      ({ attempt }) => {
        startedAt.push(clock.now());
        if (attempt < 4) throw new Error('again');
      },
      { clock },
    );
    await clock.runUntilIdle();
    expect((await done).nodes).toEqual([{ path: 'a', status: 'completed', attempt: 4, error: null }]);
    expect(startedAt).toEqual([1_000, 1_100, 1_300, 1_700]);
  });

  it('cancels everything when the signal is aborted: running, in the pool, waiting for a retry', async () => {
    const controller = new AbortController();
    const retry = { attempts: 2, backoffMs: 1_000_000, factor: 1, maxBackoffMs: 1_000_000 };
    const dag: Dag = {
      maxParallel: 9,
      nodes: [
        { name: 'retrying', retry },
        { name: 'running' },
        { name: 'queued' },
        { name: 'later', dependsOn: ['queued'] },
      ],
    };
    const result = await runDag(
      dag,
      async ({ name, signal }) => {
        if (name === 'retrying') throw new Error('first');
        queueMicrotask(() => controller.abort(new Error('changed my mind')));
        await aborted(signal);
        throw new Error('interrupted');
      },
      { signal: controller.signal, concurrency: 1 },
    );
    expect(result.status).toBe('cancelled');
    expect(result.summary.cancelled).toEqual(['retrying', 'running', 'queued', 'later']);
  });

  it('is cancelled at once by a signal that was aborted before', async () => {
    const result = await runDag(pipeline, () => expect.unreachable(), { signal: AbortSignal.abort('no') });
    expect(result.status).toBe('cancelled');
  });

  it('tells a leaf why it has to end, and ends a nested deadline as timed out', async () => {
    const clock = new SimulatedClock();
    const reasons: unknown[] = [];
    const done = runDag(
      {
        nodes: [
          { name: 'slow', timeoutMs: 50 },
          { name: 'g', dag: { deadlineMs: 80, nodes: [{ name: 'x' }] } },
        ],
      },
      async ({ signal }) => {
        await aborted(signal);
        reasons.push(signal.reason);
        throw new Error('ended');
      },
      { clock },
    );
    await clock.runUntilIdle();
    expect((await done).nodes.map(({ status }) => status)).toEqual(['timed_out', 'timed_out', 'timed_out']);
    expect(reasons).toEqual(['timeout', 'deadline']);
  });

  it('runs a handler for each item of a list, of a function and of lists inside lists', async () => {
    const ran: [string, readonly unknown[]][] = [];
    const result = await runDag(
      {
        nodes: [
          { name: 'seeds', foreach: { items: [7, 8] } },
          {
            name: 'sweep',
            dependsOn: ['seeds'],
            foreach: { items: async () => ['adam', 'sgd'] },
            dag: {
              nodes: [
                { name: 'lr', foreach: { items: ({ items: [name] }) => (name === 'sgd' ? [0.1] : []) } },
                { name: 'last', dependsOn: ['lr'], when: ({ items }) => items[0] === 'sgd' },
              ],
            },
          },
        ],
      },
      ({ path, items }) => void ran.push([path, items]),
      { concurrency: 1 },
    );
    expect(ran).toEqual([
      ['seeds[0]', [7]],
      ['seeds[1]', [8]],
      ['sweep[1]/lr[0]', ['sgd', 0.1]],
      ['sweep[1]/last', ['sgd']],
    ]);
    expect(result.status).toBe('completed');
    expect(result.nodes.slice(0, 6).map(({ path }) => path)).toEqual([
      ...['seeds', 'seeds[0]', 'seeds[1]', 'sweep', 'sweep[0]', 'sweep[0]/lr'],
    ]);
    expect(result.summary.skipped).toEqual(['sweep[0]/lr', 'sweep[0]/last']);
  });

  it.each([
    ['throws', () => JSON.parse('['), 'JSON'],
    ['gives no list', () => 'ab' as unknown as string[], 'foreach gave ab; it must give a list'],
    ['is missing', undefined, 'it must give a list'],
  ])('fails a foreach whose list %s', async (_, items, message) => {
    const node = { name: 'each', foreach: items ? { items } : {} };
    const { nodes } = await runDag({ nodes: [node] }, () => expect.unreachable());
    expect(nodes[0]).toMatchObject({ status: 'failed', error: { code: 'invalid_items' } });
    expect(nodes[0]?.error?.message).toContain(message);
  });

  it('refuses an invalid definition before anything starts', async () => {
    const dag = { nodes: [{ name: 'a', dependsOn: ['a'] }] };
    const refused = runDag(dag, () => expect.unreachable());
    await expect(refused).rejects.toThrow(InvalidDagError);
    await expect(refused).rejects.toMatchObject({ faults: [{ code: 'self_dependency' }] });
    await expect(runDag(pipeline, () => {}, { concurrency: 0 })).rejects.toThrow(RangeError);
  });

  it('rejects with the error of an observer and tells what runs to end', async () => {
    let context: LeafContext | undefined;
    const run = runDag(
      { nodes: [{ name: 'a' }, { name: 'b' }] },
      async (it) => {
        context ??= it;
        if (it.name === 'a') await aborted(it.signal);
      },
      {
        onEvent: ({ type }) => {
          if (type === 'end') throw new Error('observer broke');
        },
      },
    );
    await expect(run).rejects.toThrow('observer broke');
    expect(context?.signal.aborted).toBe(true);
  });

  it('keeps fifty concurrent runs with the same names inside and outside apart', async () => {
    const same: Dag = {
      nodes: [
        { name: 'a' },
        { name: 'b', dependsOn: ['a'], dag: { nodes: [{ name: 'a' }, { name: 'b', dependsOn: ['a'] }] } },
      ],
    };
    const runs = Array.from({ length: 50 }, async (_, id) => {
      const ran: string[] = [];
      await runDag(same, async ({ path }) => {
        await Promise.resolve();
        if (id % 2 === 0 && path === 'b/a') throw new Error(`run ${id}`);
        ran.push(path);
      });
      return ran;
    });
    for (const [id, ran] of (await Promise.all(runs)).entries()) {
      expect(ran).toEqual(id % 2 === 0 ? ['a'] : ['a', 'b/a', 'b/b']);
    }
  });
});

const pipeline: Dag = {
  nodes: [
    { name: 'prepare' },
    { name: 'sweep', dependsOn: ['prepare'], dag: { nodes: [{ name: 'small' }, { name: 'large' }] } },
    { name: 'report', dependsOn: ['sweep'] },
  ],
};

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
