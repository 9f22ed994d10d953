import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import type { LeafContext } from './leaf-attempt.ts';
import { InvalidDagError, runDag } from './run-dag.ts';

describe('handlers in this process', () => {
  it('that return no promise let others have a turn now and then', async () => {
    let ran = 0;
    let seen = 0;
    const watch = (): void => {
      seen = Math.max(seen, ran < 3_000 ? ran : 0);
      if (ran < 3_000) queueMicrotask(watch);
    };
    const run = runDag(chain(3_000), () => {
      ran += 1;
    });
    watch();
    await run;
    expect(ran).toBe(3_000);
    expect(seen).toBeGreaterThan(0);
  });

  it('may cancel the run: nothing starts any more, and their own signal tells it', async () => {
    const controller = new AbortController();
    const ran: string[] = [];
    const result = await runDag(
      { nodes: [{ name: 'a' }, { name: 'b' }, { name: 'c', dependsOn: ['a'] }] },
      ({ name, signal }) => {
        ran.push(name);
        controller.abort('enough');
        expect(signal.aborted).toBe(true);
        throw new Error('interrupted');
      },
      { signal: controller.signal },
    );
    expect(ran).toEqual(['a']);
    expect(result.nodes.map(({ status }) => status)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  it('get a signal that is aborted also when it is first read after the abort', async () => {
    const controller = new AbortController();
    let context: LeafContext | undefined;
    await runDag(
      { nodes: [{ name: 'a' }] },
      async (it) => {
        context = it;
        controller.abort();
      },
      { signal: controller.signal },
    );
    expect(context?.signal.aborted).toBe(true);
    expect(context?.signal.reason).toBe('cancel');
  });

  it('are called in order of the definition where none waits for a slot, and else in the order of waiting', async () => {
    const orderWith = async (concurrency: number): Promise<string[]> => {
      const ran: string[] = [];
      const others = Array.from({ length: 99 }, (_, at) => ({ name: `b${at}` }));
      const nodes = [{ name: 'a' }, { name: 'after-a', dependsOn: ['a'] }, ...others];
      await runDag({ maxParallel: 200, nodes }, ({ name }) => void ran.push(name), { concurrency });
      return ran;
    };
    const unlimited = await orderWith(Number.POSITIVE_INFINITY);
    expect(unlimited.indexOf('after-a')).toBeLessThan(unlimited.indexOf('b98'));
    const limited = await orderWith(1);
    expect(limited.indexOf('after-a')).toBe(100);
    expect(limited.filter((name) => name.startsWith('b'))).toEqual(
      unlimited.filter((name) => name.startsWith('b')),
    );
  });

  it('are refused beyond the limit on nodes, which an option raises', async () => {
    const dag = chain(50_001);
    await expect(runDag(dag, () => {})).rejects.toThrow(InvalidDagError);
    const { status } = await runDag(dag, () => {}, { maxNodes: 50_001 });
    expect(status).toBe('completed');
  });
});

function chain(count: number): Dag {
  return {
    nodes: Array.from({ length: count }, (_, i) => ({
      name: `n${i}`,
      dependsOn: i === 0 ? [] : [`n${i - 1}`],
    })),
  };
}
