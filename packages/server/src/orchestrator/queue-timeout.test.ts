import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import { parseDefinition } from '../definition/index.ts';
import { createRunReads } from '../store/run-reads.ts';
import { describeDatabases } from '../testing/index.ts';
import { loadTree } from './load-tree.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const source = (queueTimeout: string, more = '') => `
name: impatient
stages:
  - name: a
    queueTimeout: ${queueTimeout}
    ${more}
    job: { command: x }
  - { name: b, dependsOn: [a], job: { command: x } }
`;
const ERROR = { code: 'queue_timeout', class: 'not_claimed' };

describeDatabases('a time limit for waiting in a queue', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  const attempts = async (root: string) =>
    createRunReads(plane.database).attempts((await plane.runs(root)).get('a')!.id);
  const ended = async (root: string) => {
    await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
    return plane.runs(root);
  };
  /** How much time is left, in ms, where it runs, and where it stands. */
  const left = async (root: string) => {
    const { rows } = await sql<{ running: number | null; standing: number | null }>`
      select extract(epoch from claim_by - now())::float8 * 1000 as running, claim_left_ms as standing
      from attempts where root_id = ${root} order by number desc limit 1`.execute(plane.database.kysely);
    return rows[0]!;
  };
  const moveTo = (root: string, ms: number) =>
    sql`update attempts set claim_by = now() + ${ms} * interval '1 millisecond'
      where root_id = ${root} and claim_by is not null`.execute(plane.database.kysely);

  it('fails the stage when no agent takes it, with an error of its own, and the agent gets it no more', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(source('50ms'));
    const runs = await ended(root);
    expect(runs.get('a')).toMatchObject({ status: 'failed', startedAt: null, error: ERROR });
    expect(runs.get('a')!.error!.message).toContain('no agent has taken it within 50 ms');
    expect(runs.get('b')!.status).toBe('skipped');
    expect(runs.get('')).toMatchObject({ status: 'failed', error: { ...ERROR, path: 'a' } });
    expect(await attempts(root)).toMatchObject([{ status: 'failed', agentId: null, error: ERROR }]);
    expect(await plane.claim(await plane.agent())).toEqual([]);
  });

  it('is tried again as other failures are, each try with the whole time, where retryOn allows it', async () => {
    plane = await startControlPlane(engine);
    const again = await plane.submit(
      source('30ms', 'retry: { attempts: 3, backoff: 0, retryOn: [not_claimed] }'),
    );
    await ended(again);
    expect(await attempts(again)).toMatchObject(Array(3).fill({ status: 'failed', error: ERROR }));
    const once = await plane.submit(
      source('30ms', 'retry: { attempts: 3, backoff: 0, retryOn: [exit_code] }'),
    );
    await ended(once);
    expect(await attempts(once)).toHaveLength(1);
  });

  it('says nothing of what an agent has taken, however long that then runs', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(source('800ms'));
    const [a] = await plane.claim(agent);
    const limits = await plane.submit(source('810ms'));
    // A later limit has passed: this one has rung before.
    await ended(limits);
    await plane.report(a!, 'started');
    await plane.report(a!, 'completed');
    await plane.until(root, (runs) => runs.get('b')!.status === 'queued');
  });

  it('stands while the stage is paused, and goes on with what was left', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(source('1h'));
    const tell = (kind: 'pause' | 'resume', node: number) =>
      plane.tell(root, { kind, node, at: Date.now(), ...(kind === 'pause' && { mode: 'auto' }) });
    const isA = (status: string) => plane.until(root, (runs) => runs.get('a')!.status === status);
    expect((await left(root)).running).toBeGreaterThan(3_590_000);
    // That the time is nearly over is not yet known to the server's timer.
    await moveTo(root, 60_000);
    await tell('pause', 0);
    await isA('paused');
    const { running, standing } = await left(root);
    expect(running).toBeNull();
    expect(standing).toBeGreaterThan(50_000);
    expect(standing).toBeLessThan(70_000);
    await sql`update attempts set claim_left_ms = 40 where root_id = ${root}`.execute(plane.database.kysely);
    // A second pause around it takes nothing away, nor does a second resume.
    await tell('pause', 1);
    await plane.settled(root);
    expect(await left(root)).toEqual({ running: null, standing: 40 });
    await tell('resume', 0);
    const runs = await ended(root);
    expect(runs.get('a')).toMatchObject({ status: 'failed', error: ERROR });
  });

  it('is known to the server that takes the tree over, which lets agents claim first', async () => {
    plane = await startControlPlane(engine, { exclusive: false });
    const root = await plane.submit(source('1h'));
    await plane.orchestrator.stop();
    await moveTo(root, -60_000);
    const { timers } = await loadTree(plane.database.kysely, {
      rootId: root,
      epoch: 1,
      nowMs: 5_000_000_000_000,
    });
    expect(timers).toEqual([{ kind: 'queue_timeout', node: 1, attempt: 1, atMs: 5_000_000_025_000 }]);
    await plane.otherServer();
    const [a] = await plane.claim(await plane.agent());
    expect(a!.spec.stage).toBe('a');
  });
});

describe('queueTimeout', () => {
  const faultsOf = (stage: string) => {
    const checked = parseDefinition(`name: p\nstages:\n  - ${stage}\n`);
    return checked.ok ? [] : checked.faults.map(({ line, message }) => `${line} ${message}`);
  };

  it.each([
    ['{ name: a, queueTimeout: 0, job: { command: x } }', 'a "queueTimeout" is more than 0'],
    ['{ name: a, queueTimeout: soon, job: { command: x } }', '"soon" is not a duration'],
    ['{ name: a, queueTimeout: 1m, approval: { message: m } }', 'only for stages that an agent runs'],
    [
      '{ name: a, queueTimeout: 1m, pipeline: { stages: [{ name: b, job: { command: x } }] } }',
      'put it on the stages inside',
    ],
  ])('is refused: %s', (stage, message) => {
    expect(faultsOf(stage)).toEqual([expect.stringContaining(message)]);
    expect(faultsOf(stage)[0]).toMatch(/^3 /);
  });

  it('may stand at every kind that an agent runs', () => {
    expect(faultsOf('{ name: a, queueTimeout: 10m, http: { url: "http://x" } }')).toEqual([]);
  });
});
