import type { ModelCheckpoint, RunEvent, RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const SOURCE = `name: nested
stages:
  - { name: warm, job: { command: x } }
  - name: sweep
    pipeline:
      stages:
        - name: tune
          foreach: { item: lr, in: [0.1, 0.2] }
          job: { command: x }
        - name: deeper
          dependsOn: [tune]
          pipeline: { stages: [{ name: fit, job: { command: x } }] }
  - { name: after, dependsOn: [sweep], job: { command: x } }
`;

describeDatabases('checkpoints of a run', (engine) => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer(engine);
  });
  afterAll(() => t.end());

  const saved = (path: string) => ({ path, step: 1, metrics: {}, sizeBytes: 3, action: 'saved' as const });
  const list = async (id: string, query = '') => {
    const url = `/api/v1/runs/${id}/checkpoints${query}`;
    return (await t.call<{ items: ModelCheckpoint[] }>('GET', url)).body.items;
  };
  const placesOf = (items: readonly ModelCheckpoint[]) =>
    items.map(({ stage, path }) => [stage, path]).sort();

  /** Plays an agent whose jobs save one checkpoint each, at their own path; those named fail. */
  async function played(source: string, failing: readonly string[] = [], body: object = {}): Promise<string> {
    const agent = await t.agent();
    const id = await t.submit(source, body);
    for (;;) {
      const isQueued = (run: RunTree): boolean => run.status === 'queued' || run.children.some(isQueued);
      const { endedAt } = await t.treeWhen(id, (run) => run.endedAt !== null || run.children.some(isQueued));
      if (endedAt !== null) return id;
      for (const job of (await agent.claim()).body.assignments) {
        const { stage } = job.spec;
        const outcome = failing.includes(stage) ? 'failed' : 'completed';
        await agent.report(job, { outcome, checkpoints: [saved(`/${id}/${stage}`)] });
      }
    }
  }

  it('are those of all stages below it, with their paths, and of nothing beside it', async () => {
    const id = await played(SOURCE);
    const place = (stage: string) => [stage, `/${id}/${stage}`];
    const tree = await t.tree(id);
    const sweep = tree.children.find(({ name }) => name === 'sweep')!;
    const below = ['sweep/deeper/fit', 'sweep/tune[0]', 'sweep/tune[1]'];
    expect(placesOf(await list(id))).toEqual([place('after'), ...below.map(place), place('warm')]);
    expect(placesOf(await list(sweep.id))).toEqual(below.map(place));
    const [tune] = sweep.children;
    expect(placesOf(await list(tune!.id))).toEqual(below.slice(1).map(place));
    expect(placesOf(await list(tune!.children[1]!.id))).toEqual([place(below[2]!)]);
    // The newest first, also where they are cut.
    const all = await list(id);
    expect(all.map((each) => each.id)).toEqual(
      all
        .map((each) => each.id)
        .toSorted()
        .reverse(),
    );
    expect(await list(id, '?limit=2')).toEqual(all.slice(0, 2));
  });

  it('are also those that a re-run keeps from the run before', async () => {
    const first = await played(SOURCE, ['after']);
    const again = await played(SOURCE, [], { resumeFrom: first });
    expect((await t.tree(again)).children[0]!.keptFrom).toBeDefined();
    const kept = ['sweep/deeper/fit', 'sweep/tune[0]', 'sweep/tune[1]', 'warm'];
    const expected = [['after', `/${again}/after`], ...kept.map((stage) => [stage, `/${first}/${stage}`])];
    expect(placesOf(await list(again))).toEqual(expected);
  });

  it('belong to a foreach stage with its items, as events do', async () => {
    const tree = await t.tree(await played(SOURCE));
    const tune = tree.children[1]!.children[0]!;
    const { body } = await t.call<{ items: RunEvent[] }>('GET', `/api/v1/runs/${tune.id}/events`);
    expect(new Set(body.items.map(({ path }) => path))).toEqual(
      new Set(['sweep/tune', 'sweep/tune[0]', 'sweep/tune[1]']),
    );
  });
});
