import { afterEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const ROUNDS = 10;
const NAMES = ['x', 'y', 'z'];
const stages = NAMES.map((name) => `  - { name: ${name}, job: { command: 'true' } }`).join('\n');
const SOURCE = `name: three\nstages:\n${stages}\n`;
const NESTED = `name: nested\nstages:\n  - name: inner\n    pipeline:\n      stages:\n${stages.replaceAll('  - ', '        - ')}\n`;

describeDatabases('the first failure', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  const errorOf = (name: string) => ({ code: 'exit_code', message: `exit code of ${name}` });
  /** Lets the stage fail with an error that names it. */
  const fail = (assigned: Awaited<ReturnType<ControlPlane['claim']>>[number]) =>
    plane.report(assigned, 'failed', { error: errorOf(assigned.spec.stage) });

  it.each([
    ['', SOURCE],
    ['inner/', NESTED],
  ])(
    'of three reported in one moment is that of the pipeline; each stage keeps its own (%s)',
    async (outer, source) => {
      plane = await startControlPlane(engine);
      const agent = await plane.agent();
      for (let round = 0; round < ROUNDS; round += 1) {
        const root = await plane.submit(source);
        const claimed = await plane.claim(agent);
        expect(claimed).toHaveLength(3);
        await Promise.all(claimed.map(fail));
        const runs = await plane.settled(root);
        const { items } = await plane.events(root);
        const ended = items.filter(({ type }) => type === 'run.finished').map(({ path }) => path);
        const first = ended.find((path) => NAMES.some((name) => path === outer + name))!;
        for (const name of NAMES) {
          const own = outer + name;
          expect(runs.get(own)).toMatchObject({ status: 'failed', error: errorOf(own) });
        }
        const levels = outer === '' ? [''] : ['', 'inner'];
        for (const level of levels) {
          expect(runs.get(level)).toMatchObject({ status: 'failed', error: { code: 'exit_code' } });
          expect(runs.get(level)!.error!.message).toContain(`exit code of ${first}`);
        }
      }
    },
  );

  it('is told by every pipeline around it while the others still run', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(NESTED);
    const claimed = await plane.claim(agent);
    await fail(claimed[0]!);
    const runs = await plane.settled(root);
    const name = claimed[0]!.spec.stage;
    for (const level of ['', 'inner']) {
      expect(runs.get(level)).toMatchObject({
        status: 'running',
        error: { path: name, message: `Stage "${name}" failed: exit code of ${name}` },
      });
    }
    expect(runs.get(claimed[1]!.spec.stage)!.error).toBeNull();
  });

  it('stays that of the pipeline when another server takes in the later ones', async () => {
    plane = await startControlPlane(engine, { exclusive: false });
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    const claimed = await plane.claim(agent);
    const byName = new Map(claimed.map((assigned) => [assigned.spec.stage, assigned]));
    await fail(byName.get('y')!);
    expect((await plane.settled(root)).get('y')!.status).toBe('failed');
    await plane.orchestrator.stop();
    await plane.otherServer();
    await fail(byName.get('x')!);
    await fail(byName.get('z')!);
    await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
    const runs = await plane.runs(root);
    expect(runs.get('')).toMatchObject({
      status: 'failed',
      error: { path: 'y', message: 'Stage "y" failed: exit code of y' },
    });
    for (const name of NAMES) expect(runs.get(name)!.error).toMatchObject(errorOf(name));
  });

  it('is told beside the deadline that ended the rest, and beside the try that it left no time for', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: late
deadline: 600ms
stages:
  - { name: bad, retry: { attempts: 3, backoff: 1h }, job: { command: 'false' } }
  - { name: ask, approval: { message: Well? } }
`);
    const [bad] = await plane.claim(agent);
    await fail(bad!);
    await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
    const runs = await plane.runs(root);
    expect(runs.get('bad')).toMatchObject({ status: 'failed', reason: 'deadline', attempt: 1 });
    expect(runs.get('')).toMatchObject({ status: 'timed_out', reason: 'deadline', error: { path: 'bad' } });
    const { items } = await plane.events(root);
    const ended = items.filter(({ type }) => type === 'run.finished');
    expect(ended.map(({ path, data }) => [path, data['reason']])).toEqual([
      ['bad', 'deadline'],
      ['ask', null],
      ['', 'deadline'],
    ]);
  });
});
