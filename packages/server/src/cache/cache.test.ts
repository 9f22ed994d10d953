import type { CacheEntry, Run, RunTree } from '@trainyard/protocol';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { parseDefinition } from '../definition/index.ts';
import { describeDatabases, testDatabases } from '../testing/index.ts';
import type { ScriptedAgent } from '../testing/scripted-agent.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const NESTED = `
name: cached
params: { rows: { type: integer, default: 3 }, note: { type: string, default: a } }
stages:
  - name: prepare
    cache: { code: [], params: [rows] }
    job: { command: 'prepare \${{ params.rows }}' }
  - name: sweep
    dependsOn: [prepare]
    pipeline:
      stages:
        - { name: first, cache: { code: [], params: [] }, job: { command: 'first \${{ stages.prepare.outputs.file }}' } }
        - { name: second, dependsOn: [first], job: { command: 'second \${{ stages.first.outputs.file }}' } }
  - { name: last, dependsOn: [sweep], cache: { code: [] }, job: { command: last } }
`;

let t: TestServer;
let agent: ScriptedAgent;
afterEach(() => t.end());

async function start(engine = testDatabases()[0]!): Promise<void> {
  t = await startTestServer(engine);
  agent = await t.agent();
}

type Ending = Parameters<ScriptedAgent['report']>[1];

async function sql(text: string, values: unknown[] = []): Promise<void> {
  const client = new pg.Client(t.place.config);
  await client.connect();
  await client.query(text, values);
  await client.end();
}

/** Ends stages as they come until the tree has ended; gives what ran. */
async function play(
  id: string,
  ending: (stage: string, attempt: number) => Ending = completed,
): Promise<{ tree: RunTree; ran: string[] }> {
  const ran: string[] = [];
  for (;;) {
    const tree = await t.treeWhen(
      id,
      (seen) => seen.endedAt !== null || flat(seen).some(({ status }) => status === 'queued'),
    );
    if (tree.endedAt !== null) return { tree, ran };
    for (const assignment of (await agent.claim({ waitMs: 100 })).body.assignments) {
      const { stage, number } = assignment.spec;
      ran.push(stage);
      await agent.report(assignment, ending(stage, number));
    }
  }
}

function completed(stage: string): Ending {
  return { outcome: 'completed', outputs: { file: `${stage}.csv` } };
}

function flat(tree: RunTree): Run[] {
  return [tree, ...tree.children.flatMap(flat)];
}

const at = (tree: RunTree, path: string) => flat(tree).find((run) => run.path === path)!;
const entries = async (query = '') =>
  (await t.call<{ items: CacheEntry[] }>('GET', `/api/v1/cache${query}`)).body.items;

async function eventsOf(run: Run): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const { body } = await t.call<{ items: { type: string; data: Record<string, unknown> }[] }>(
    'GET',
    `/api/v1/runs/${run.id}/events`,
  );
  return body.items;
}

// Scenario 57 of the edge cases.
describeDatabases('a cached stage', (engine) => {
  it('runs once for one question, and a hit in a nested pipeline still opens what comes behind it', async () => {
    await start(engine);
    const first = await play(await t.submit(NESTED));
    expect(first.ran).toEqual(['prepare', 'sweep/first', 'sweep/second', 'last']);
    const { tree, ran } = await play(await t.submit(NESTED, { params: { note: 'b' } }));
    expect(ran).toEqual(['sweep/second', 'last']);
    expect(tree.status).toBe('completed');
    const hit = at(tree, 'sweep/first');
    expect(hit).toMatchObject({
      status: 'completed',
      reason: 'cached',
      cachedFrom: at(first.tree, 'sweep/first').id,
      cacheKey: at(first.tree, 'sweep/first').cacheKey,
      outputs: { file: 'sweep/first.csv' },
      attempt: 0,
    });
    expect((await eventsOf(hit)).map(({ type }) => type)).toEqual([
      'run.ready',
      'run.cached',
      'run.finished',
    ]);
    // Another value of a param that counts is another question, and other results behind it are, too.
    const other = await play(await t.submit(NESTED, { params: { rows: 4 } }), (stage) =>
      completed(stage === 'prepare' ? 'other' : stage),
    );
    expect(other.ran).toEqual(['prepare', 'sweep/first', 'sweep/second', 'last']);
  });

  it('links the datasets of the run that wrote them', async () => {
    await start(engine);
    const source = 'name: d\nstages:\n  - { name: a, cache: { code: [] }, job: { command: a } }\n';
    const dataset = {
      name: 'digits',
      sha256: 'c'.repeat(64),
      sizeBytes: 5,
      path: '/d',
      role: 'output' as const,
    };
    await play(await t.submit(source), () => ({ outcome: 'completed', datasets: [dataset] }));
    const { tree, ran } = await play(await t.submit(source));
    expect(ran).toEqual([]);
    const { body } = await t.call<{ items: object[] }>('GET', `/api/v1/runs/${tree.id}/datasets`);
    expect(body.items).toMatchObject([{ name: 'digits', runs: [{ role: 'output' }, { role: 'output' }] }]);
  });
});

describe('the cache of stages', () => {
  const one = (cache: string, more = '') =>
    `name: one\nstages:\n  - { name: a, cache: ${cache}, job: { command: a }${more} }\n`;

  it('keeps a result that came after a retry, once, and none of a failure', async () => {
    await start();
    const source = one('{ code: [] }', ', retry: { attempts: 2, backoff: 1ms }');
    const failed: Ending = {
      outcome: 'failed',
      exitCode: 1,
      error: { code: 'exit_code', message: 'exit code 1' },
    };
    await play(await t.submit(source), () => failed);
    expect(await entries()).toEqual([]);
    const healed = await play(await t.submit(source), (stage, attempt) =>
      attempt === 1 ? failed : completed(stage),
    );
    expect(healed.ran).toEqual(['a', 'a']);
    expect(await entries()).toMatchObject([{ pipeline: 'one', stage: 'a', runId: at(healed.tree, 'a').id }]);
    expect((await play(await t.submit(source))).ran).toEqual([]);
  });

  it('works per item of a foreach, whatever the order of the list', async () => {
    await start();
    const source = (list: string) => `
name: each
stages:
  - name: tune
    foreach: { item: lr, in: ${list} }
    cache: { code: [] }
    job: { command: 'fit \${{ item.lr }}' }
`;
    await play(await t.submit(source('[1, 2]')));
    const { tree, ran } = await play(await t.submit(source('[2, 3, 1]')));
    expect(ran).toEqual(['tune[1]']);
    expect(at(tree, 'tune').outputs).toEqual([
      { file: 'tune[1].csv' },
      { file: 'tune[1].csv' },
      { file: 'tune[0].csv' },
    ]);
  });

  it('lets two runs that ask at the same time both run', async () => {
    await start();
    const ids = [await t.submit(one('{ code: [] }')), await t.submit(one('{ code: [] }'))];
    const trees = await Promise.all(ids.map((id) => play(id)));
    expect(trees.flatMap(({ ran }) => ran)).toHaveLength(2);
    expect(await entries()).toHaveLength(1);
  });

  it('does not look where it is told not to, and stores the new result', async () => {
    await start();
    const first = await play(await t.submit(one('{ code: [] }')));
    const second = await play(await t.submit(one('{ code: [] }'), { noCache: true }));
    expect(second.ran).toEqual(['a']);
    const third = await play(await t.submit(one('{ code: [] }')));
    expect(at(third.tree, 'a').cachedFrom).toBe(at(second.tree, 'a').id);
    expect(at(first.tree, 'a').cacheKey).toBe(at(second.tree, 'a').cacheKey);
  });

  it('is not asked for stages that a re-run names', async () => {
    await start();
    const { tree } = await play(await t.submit(NESTED));
    const again = async (body: object) => {
      const { body: started } = await t.call<{ id: string }>('POST', `/api/v1/runs/${tree.id}/retry`, body);
      return (await play(started.id)).ran;
    };
    expect(await again({ stages: ['prepare'] })).toEqual(['prepare', 'sweep/second']);
    expect(await again({ all: true })).toEqual(['prepare', 'sweep/first', 'sweep/second', 'last']);
  });

  it('uses no result that is older than the stage allows', async () => {
    await start();
    await play(await t.submit(one('{ code: [], maxAge: 1h }')));
    await sql("update stage_cache set created_at = now() - interval '61 minutes'");
    expect((await play(await t.submit(one('{ code: [], maxAge: 2h }')))).ran).toEqual([]);
    expect((await play(await t.submit(one('{ code: [], maxAge: 1h }')))).ran).toEqual(['a']);
  });

  it('needs to know files and code, and says what it does not know', async () => {
    await start();
    const { tree, ran } = await play(await t.submit(one('true')));
    expect(ran).toEqual(['a']);
    expect(await eventsOf(at(tree, 'a'))).toContainEqual(
      expect.objectContaining({
        type: 'run.not_cached',
        data: { reason: expect.stringContaining('its agent did not say what the files hold') },
      }),
    );
    expect(await entries()).toEqual([]);
    const basis = (hash: string) => ({ cacheBasis: { code: 'v1', files: { 'in.csv': hash.repeat(64) } } });
    const source = one("{ inputs: ['in.csv'] }");
    await play(await t.submit(source, basis('a')));
    expect((await play(await t.submit(source, basis('a')))).ran).toEqual([]);
    expect((await play(await t.submit(source, basis('b')))).ran).toEqual(['a']);
  });

  it('counts a stage that tells nothing of its results as new each time', async () => {
    await start();
    const source = `
name: silent
stages:
  - { name: make, job: { command: make } }
  - { name: use, dependsOn: [make], cache: { code: [] }, job: { command: use } }
`;
    const silent = (): Ending => ({ outcome: 'completed' });
    await play(await t.submit(source), silent);
    expect((await play(await t.submit(source), silent)).ran).toEqual(['make', 'use']);
    await play(await t.submit(source));
    expect((await play(await t.submit(source))).ran).toEqual(['make']);
  });

  it('is listed, and forgotten by age, pipeline and stage', async () => {
    await start();
    await play(await t.submit(one('{ code: [] }')));
    await play(await t.submit(NESTED));
    expect(await entries('?pipeline=cached&stage=sweep/first')).toHaveLength(1);
    const clear = async (query: string) =>
      (await t.call<{ removed: number }>('DELETE', `/api/v1/cache${query}`)).body.removed;
    expect(await clear('?olderThanMs=3600000')).toBe(0);
    expect(await clear('?stage=prepare')).toBe(1);
    expect(await clear('')).toBe(3);
    expect((await play(await t.submit(one('{ code: [] }')))).ran).toEqual(['a']);
  });

  it('lets a cancel win that is taken in together with what had opened the stage', async () => {
    await start();
    const source = `
name: race
stages:
  - { name: a, job: { command: a } }
  - { name: b, dependsOn: [a], cache: { code: [] }, job: { command: b } }
  - { name: c, dependsOn: [a], cache: { code: [], key: never asked }, job: { command: c } }
`;
    await play(await t.submit(source.replace('never asked', 'asked')));
    const id = await t.submit(source);
    const at0 = { node: 1, attempt: 1, at: Date.now() };
    const finished = {
      ...at0,
      outcome: 'completed',
      exitCode: 0,
      signal: null,
      error: null,
      outputs: { x: 1 },
      datasets: [],
    };
    await sql('insert into tree_inbox (root_id, event) values ($1, $2), ($1, $3)', [
      id,
      { kind: 'finished', ...finished },
      { kind: 'cancel', node: 0, at: at0.at, reason: 'enough' },
    ]);
    const tree = await t.treeWhen(id, ({ endedAt }) => endedAt !== null);
    expect(tree.children.map(({ status }) => status)).toEqual(['completed', 'cancelled', 'cancelled']);
    expect((await eventsOf(at(tree, 'c'))).map(({ type }) => type)).not.toContain('run.queued');
  });
});

describe('the key `cache` of a stage', () => {
  const faultsOf = (stage: string) => {
    const result = parseDefinition(
      `name: p\nparams: { epochs: { type: integer, default: 1 } }\nstages:\n  - ${stage}\n`,
    );
    return result.ok ? [] : result.faults.map(({ message }) => message);
  };

  it('is refused where it could mean nothing', () => {
    expect(faultsOf('{ name: a, cache: true, job: { command: x } }')).toEqual([]);
    expect(faultsOf('{ name: a, cache: { params: [epoch] }, job: { command: x } }')).toEqual([
      'there is no param "epoch" that this stage can see; did you mean "epochs"?',
    ]);
    expect(
      faultsOf("{ name: a, cache: { inputs: ['${{ params.epochs }}'] }, job: { command: x } }").join(),
    ).toMatch(/files are read before the run/);
    expect(
      faultsOf('{ name: a, cache: true, pipeline: { stages: [{ name: b, job: { command: x } }] } }').join(),
    ).toMatch(/"cache" is only for stages with "job", "http", "function", .*; put it on the stages inside/);
  });
});
