import { afterEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const ONE = "name: one\nstages: [{ name: a, job: { command: 'true' } }]";
const TOLD_AT_ONCE = ['run.ready', 'run.queued', 'attempt.claimed', 'attempt.finished', 'run.finished'];

describeDatabases('the news of a claim', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  const told = async (rootId: string) =>
    (await plane.events(rootId)).items.filter(({ path }) => path === 'a').map(({ type }) => type);
  const waiting = async (rootId: string) =>
    plane.database.kysely.selectFrom('tree_inbox').select('id').where('root_id', '=', rootId).execute();

  it('is written with the report that follows it, once and before it', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const rootId = await plane.submit(ONE);
    const [a] = await plane.claim(agent);
    expect(await waiting(rootId)).toHaveLength(1);
    await plane.report(a!, 'completed');
    expect(await waiting(rootId)).toEqual([]);
    expect(await told(rootId)).toEqual(TOLD_AT_ONCE);
  });

  it('is written by itself when no report comes', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const rootId = await plane.submit(ONE);
    const [a] = await plane.claim(agent);
    await plane.until(rootId, (runs) => runs.get('a')!.status === 'starting');
    expect(await waiting(rootId)).toEqual([]);
    await plane.report(a!, 'started');
    await plane.report(a!, 'completed');
    const events = [
      'run.ready',
      'run.queued',
      'attempt.claimed',
      'run.started',
      'attempt.finished',
      'run.finished',
    ];
    expect(await told(rootId)).toEqual(events);
  });

  it('comes before what else waits for the tree', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const rootId = await plane.submit(ONE);
    const [a] = await plane.claim(agent);
    await plane.tell(rootId, { kind: 'cancel', node: 1, reason: 'enough', at: Date.now() });
    await plane.until(rootId, (runs) => runs.get('a')!.status === 'cancelling');
    await plane.report(a!, 'cancelled');
    await plane.settled(rootId);
    expect((await told(rootId)).slice(0, 4)).toEqual([
      'run.ready',
      'run.queued',
      'attempt.claimed',
      'run.cancel_requested',
    ]);
    expect((await told(rootId)).filter((type) => type === 'attempt.claimed')).toHaveLength(1);
  });

  it('is not lost when the tree changes its owner in between', async () => {
    plane = await startControlPlane(engine, { exclusive: false });
    const agent = await plane.agent();
    const rootId = await plane.submit(ONE);
    const [a] = await plane.claim(agent);
    await plane.orchestrator.stop();
    await plane.otherServer();
    await plane.report(a!, 'completed');
    await plane.until(rootId, (runs) => runs.get('a')!.status === 'completed');
    expect(await told(rootId)).toEqual(TOLD_AT_ONCE);
  });
});
