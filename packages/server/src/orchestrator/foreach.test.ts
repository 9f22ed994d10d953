import type { JsonValue, Run } from '@trainyard/protocol';
import { afterEach, expect, it } from 'vitest';
import { parseDefinition } from '../definition/index.ts';
import { describeDatabases, testDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

let plane: ControlPlane;

/** Finishes whatever can be claimed until nothing is left; outcomes and outputs by path. */
async function work(
  agent: string,
  root: string,
  act: (
    stage: string,
    params: Record<string, unknown>,
  ) => { fails?: boolean; outputs?: JsonValue } = () => ({}),
): Promise<Map<string, Run>> {
  for (;;) {
    const claimed = await plane.claim(agent);
    if (claimed.length === 0) {
      const runs = await plane.settled(root);
      if ([...runs.values()].every(({ status }) => status !== 'queued')) return runs;
    }
    await Promise.all(
      claimed.map((assigned) => {
        const { fails = false, outputs = null } = act(assigned.spec.stage, assigned.spec.params);
        return plane.report(assigned, fails ? 'failed' : 'completed', { outputs });
      }),
    );
  }
}

function statuses(runs: ReadonlyMap<string, Run>, under: string): Record<string, string> {
  const inside = [...runs.values()].filter(({ path }) => path === under || path.startsWith(`${under}[`));
  return Object.fromEntries(inside.map(({ path, status }) => [path, status]));
}

describeDatabases('a foreach stage on the durable path', (engine) => {
  afterEach(() => plane.end());

  it('runs once for each item of a list, a param or an earlier output, and hands a list of outputs on', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: lists
params: { sizes: { type: json, default: [32, 64] } }
stages:
  - { name: find, job: { command: 'true' } }
  - name: file
    dependsOn: [find]
    foreach: { item: file, in: '\${{ stages.find.outputs.files }}' }
    job: { command: [cat, '\${{ item.file.name }}'] }
  - name: size
    foreach: { item: size, in: '\${{ params.sizes }}' }
    params: { hidden: '\${{ item.size * 2 }}' }
    job: { command: 'true' }
  - name: literal
    foreach: { item: lr, in: [0.1, '\${{ params.sizes[0] }}'] }
    job: { command: 'true', env: { LR: '\${{ item.lr }}' } }
  - name: join
    dependsOn: [file, size]
    params: { all: '\${{ stages.size.outputs }}', first: '\${{ stages.file.outputs[0].seen }}' }
    job: { command: 'true' }
`);
    const seen = new Map<string, Record<string, unknown>>();
    const runs = await work(agent, root, (stage, params) => {
      seen.set(stage, params);
      if (stage === 'find') return { outputs: { files: [{ name: 'a.csv' }, { name: 'b.csv' }] } };
      return { outputs: { seen: stage } };
    });
    expect(runs.get('')!.status).toBe('completed');
    expect(statuses(runs, 'file')).toEqual({
      file: 'completed',
      'file[0]': 'completed',
      'file[1]': 'completed',
    });
    expect(runs.get('file[1]')!.item).toEqual({ index: 1, value: { name: 'b.csv' } });
    expect(seen.get('size[1]')).toEqual({ sizes: [32, 64], hidden: 128 });
    expect(runs.get('literal[1]')!.item).toEqual({ index: 1, value: 32 });
    expect(seen.get('join')).toMatchObject({
      all: [{ seen: 'size[0]' }, { seen: 'size[1]' }],
      first: 'file[0]',
    });
    const { items } = await plane.events(root);
    const expanded = items.filter(({ type }) => type === 'run.expanded');
    expect(expanded.map(({ path, data }) => [path, data['items']]).sort()).toEqual([
      ['file', 2],
      ['literal', 2],
      ['size', 2],
    ]);
    expect(items.map(({ seq }) => seq)).toEqual(items.map((_, at) => at + 1));
  });

  it('takes the product of a matrix without what is excluded, the last axis fastest', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: matrix
params: { seeds: { type: json, default: [1, 2] } }
stages:
  - name: sweep
    foreach:
      matrix: { lr: [0.1, 0.01], seed: '\${{ params.seeds }}' }
      exclude: [{ lr: 0.1, seed: 2 }]
    params: { lr: '\${{ item.lr }}', seed: '\${{ item.seed }}' }
    job: { command: 'true' }
`);
    const runs = await work(agent, root);
    expect([0, 1, 2].map((at) => runs.get(`sweep[${at}]`)!.item!.value)).toEqual([
      { lr: 0.1, seed: 1 },
      { lr: 0.01, seed: 1 },
      { lr: 0.01, seed: 2 },
    ]);
    expect(runs.get('sweep[1]')!.params).toEqual({ seeds: [1, 2], lr: 0.01, seed: 1 });
  });

  it('nests three deep, through pipelines, each item seeing those around it', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(NESTED);
    const seen: string[] = [];
    const runs = await work(agent, root, (_, { key }) => {
      seen.push(String(key));
      return { outputs: { key: String(key) } };
    });
    const keys = ['a', 'b'].flatMap((a) => [1, 2].flatMap((b) => ['x', 'y'].map((c) => `${a}${b}${c}`)));
    expect(seen.sort()).toEqual(keys);
    expect(runs.get('')!.status).toBe('completed');
    expect(runs.get('outer[1]/middle[0]/inner[1]')!.params['key']).toBe('b1y');
    expect(runs.get('outer')!.outputs).toMatchObject([
      { middle: [{ inner: [{ key: 'a1x' }, { key: 'a1y' }] }, { inner: [{ key: 'a2x' }, { key: 'a2y' }] }] },
      {},
    ]);
  });

  it('goes on where it was when another server takes it over in the middle', async () => {
    plane = await startControlPlane(engine, { exclusive: false });
    const agent = await plane.agent();
    const root = await plane.submit(NESTED);
    const [first] = await plane.claim(agent, 1);
    await plane.report(first!, 'completed', { outputs: { key: 'first' } });
    const before = await plane.settled(root);
    await plane.orchestrator.stop();
    await plane.otherServer();
    const runs = await work(agent, root, (_, { key }) => ({ outputs: { key: String(key) } }));
    expect(runs.get('')!.status).toBe('completed');
    expect(runs.size).toBeGreaterThan(before.size);
    for (const [path, { id }] of before) expect(runs.get(path)!.id).toBe(id);
    expect([...runs.values()].map(({ index }) => index)).toEqual([...runs.keys()].map((_, at) => at));
  });

  it.each([
    ['skipped', 'skipped', 'empty', 'skipped'],
    ['completed', 'completed', null, 'completed'],
  ])('without items ends %s, and what depends on it with it', async (emptyAs, status, reason, after) => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: empty
stages:
  - { name: none, foreach: { item: x, in: [], emptyAs: ${emptyAs} }, job: { command: 'true' } }
  - { name: after, dependsOn: [none], job: { command: 'true' } }
  - { name: beside, job: { command: 'true' } }
`);
    const runs = await work(agent, root);
    expect(runs.get('none')).toMatchObject({ status, reason });
    expect(runs.get('after')!.status).toBe(after);
    expect(runs.get('')!.status).toBe('completed');
    const tree = await plane.database.kysely.selectFrom('trees').select('counts').executeTakeFirstOrThrow();
    expect(Object.values(tree.counts).reduce((sum, count) => sum + count, 0)).toBe(3);
  });

  it.each([
    ['all', 'failed', 'skipped'],
    ['any', 'completed', 'completed'],
    ['{ maxFailures: 1 }', 'completed', 'completed'],
    ['{ maxFailures: 0 }', 'failed', 'skipped'],
  ])('with one failed item and the policy %s ends %s', async (policy, status, after) => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: partial
stages:
  - name: tune
    foreach: { item: x, in: [1, 2, 3], failurePolicy: ${policy} }
    job: { command: 'true' }
  - { name: after, dependsOn: [tune], params: { all: '\${{ stages.tune.outputs }}' }, job: { command: 'true' } }
`);
    const runs = await work(agent, root, (stage) => ({
      fails: stage === 'tune[1]',
      outputs: stage === 'tune[1]' ? null : { ok: true },
    }));
    expect(statuses(runs, 'tune')).toEqual({
      tune: status,
      'tune[0]': 'completed',
      'tune[1]': 'failed',
      'tune[2]': 'completed',
    });
    expect(runs.get('after')!.status).toBe(after);
    if (after === 'completed')
      expect(runs.get('after')!.params['all']).toEqual([{ ok: true }, null, { ok: true }]);
  });

  it.each([
    ["'${{ stages.first.outputs.text }}'", 'expression', 'needs a list'],
    ["'${{ stages.first.outputs.missing }}'", 'expression', 'missing'],
    ["'${{ stages.first.outputs.many }}'", 'too_many_items', 'maxItems of 3'],
  ])('fails the stage when its list %s is none, and names the reason', async (list, code, says) => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: wrong
stages:
  - { name: first, job: { command: 'true' } }
  - name: each
    dependsOn: [first]
    foreach: { item: x, in: ${list}, maxItems: 3 }
    job: { command: 'true' }
`);
    const runs = await work(agent, root, () => ({ outputs: { text: 'a', many: [1, 2, 3, 4] } }));
    expect(runs.get('each')).toMatchObject({ status: 'failed', error: { code } });
    expect(runs.get('each')!.error!.message).toContain(says);
    expect(runs.size).toBe(3);
  });

  it('retries and times out each item for itself, at most maxParallel at once', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: limited
stages:
  - name: each
    foreach: { item: x, in: [1, 2, 3, 4, 5], maxParallel: 2 }
    retry: { attempts: 2, backoff: 0 }
    job: { command: 'true' }
`);
    let most = 0;
    for (let ended = 0; ended < 5; ) {
      const claimed = await plane.claim(agent);
      most = Math.max(most, claimed.length);
      for (const assigned of claimed) {
        const fails = assigned.spec.stage === 'each[2]' && assigned.spec.number === 1;
        await plane.report(assigned, fails ? 'failed' : 'completed');
        if (!fails) ended += 1;
      }
      await plane.settled(root);
    }
    const runs = await plane.settled(root);
    expect(most).toBe(2);
    expect(runs.get('each')!.status).toBe('completed');
    expect(
      [...runs.values()].filter(({ path }) => path.startsWith('each[')).map(({ attempt }) => attempt),
    ).toEqual([1, 1, 2, 1, 1]);
  });

  it('cancels one item, or all of them', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: cancelled
stages:
  - { name: each, foreach: { item: x, in: [1, 2, 3], maxParallel: 1 }, job: { command: 'true' } }
`);
    const [running] = await plane.claim(agent);
    await plane.report(running!, 'started');
    const cancel = async (path: string) => {
      const run = (await plane.settled(root)).get(path)!;
      const fact = { kind: 'cancel', node: run.index, at: Date.now(), reason: 'enough' };
      await plane.tell(root, fact);
    };
    await cancel('each[2]');
    expect(statuses(await plane.settled(root), 'each')).toMatchObject({
      'each[2]': 'cancelled',
      each: 'running',
    });
    await cancel('each');
    expect(statuses(await plane.settled(root), 'each')).toMatchObject({
      'each[1]': 'cancelled',
      each: 'cancelling',
    });
    await plane.report(running!, 'cancelled');
    expect(statuses(await plane.settled(root), 'each')).toMatchObject({
      'each[0]': 'cancelled',
      each: 'cancelled',
    });
  });
});

it('runs a thousand items in few statements', async () => {
  plane = await startControlPlane(testDatabases()[0]!);
  const agent = await plane.agent();
  const root = await plane.submit(
    `
name: wide
params: { n: { type: json } }
stages:
  - { name: each, foreach: { item: x, in: '\${{ params.n }}', maxParallel: 1000 }, job: { command: 'true' } }
`,
    { params: { n: Array.from({ length: 1000 }, (_, at) => at) } },
  );
  const runs = await work(agent, root, () => ({ outputs: { ok: 1 } }));
  expect(runs.get('')!.status).toBe('completed');
  expect(runs.size).toBe(1002);
  await plane.end();
});

it('refuses what is known to be wrong before the run, with its place', () => {
  const faultsOf = (foreach: string, rest = '') => {
    const parsed = parseDefinition(`
name: x
stages:
  - name: each
    foreach: ${foreach}
    job: { command: 'true'${rest} }
`);
    return parsed.ok ? [] : parsed.faults.map(({ line, message }) => `${line}: ${message}`);
  };
  expect(faultsOf('{ item: x, in: [1] }', ", env: { A: '${{ item.y }}' }")).toEqual([
    '6: in ${{ item.y }}: there is no item "y"; did you mean "x"?',
  ]);
  expect(faultsOf('{ in: [1] }')[0]).toMatch(/^5: .*needs "item"/);
  expect(faultsOf('{ item: x }')[0]).toMatch(/^5: .*needs "item" and "in", or "matrix"/);
  expect(faultsOf('{ item: x, in: [1], matrix: { a: [1] } }').join()).toMatch(/not both/);
  expect(faultsOf('{ item: x, in: many }')[0]).toMatch(/^5: .*one expression/);
  expect(faultsOf('{ item: x, in: [1, 2, 3], maxItems: 2 }')[0]).toMatch(/^5: .*3 items, more than maxItems/);
  expect(faultsOf('{ matrix: { a: [1, 2], b: [1, 2] }, maxItems: 3 }')[0]).toMatch(/^5: .*at least 4 items/);
  expect(faultsOf('{ matrix: { a: [1] }, exclude: [{ c: 1 }] }')[0]).toMatch(/^5: .*no list "c"/);
  expect(faultsOf("{ item: x, in: '${{ item.x }}' }")[0]).toMatch(/^5: .*there is no item here/);
});

const NESTED = `
name: nested
stages:
  - name: outer
    foreach: { item: a, in: [a, b] }
    pipeline:
      stages:
        - name: middle
          foreach: { item: b, in: [1, 2], maxParallel: 1 }
          pipeline:
            stages:
              - name: inner
                foreach: { item: c, in: [x, y] }
                params: { key: '\${{ item.a + string(item.b) + item.c }}' }
                job: { command: 'true' }
`;
