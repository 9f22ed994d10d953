import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { createLiveBus } from '../live/live-bus.ts';
import { describeDatabases } from '../testing/index.ts';
import { FACTS_PER_TICK, Inbox } from './inbox.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const EVENT = '{"kind":"cancel_requested","path":"","reason":null}';

describeDatabases('the inbox', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  it.each([
    ['few', 3],
    ['many', 500],
  ])('gives the oldest facts of its own trees, of %s trees', async (_what, count) => {
    plane = await startControlPlane(engine);
    const trees = new Map(Array.from({ length: count }, (_, at) => [`run_own${at}`, at]));
    const inbox = new Inbox({ database: plane.database, bus: createLiveBus(), wake: () => undefined });
    const told = async (root: string, facts: number): Promise<void> => {
      await sql`insert into tree_inbox (root_id, event)
        select ${root}, ${EVENT}::jsonb from generate_series(1, ${facts}::int)`.execute(
        plane.database.kysely,
      );
    };
    const roots = async (): Promise<string[]> => (await inbox.read(trees)).map((row) => row.root_id);

    expect(await roots()).toEqual([]);
    await told('run_other', 2);
    await told('run_own1', 1);
    await told('run_other', 1);
    await told('run_own0', 1);
    expect(await roots()).toEqual(['run_own1', 'run_own0']);

    // Facts of other servers never keep ours from being read.
    await told('run_other', FACTS_PER_TICK);
    await told('run_own2', 1);
    expect(await roots()).toEqual(['run_own1', 'run_own0', 'run_own2']);

    await told('run_own2', FACTS_PER_TICK);
    const full = await roots();
    expect(full).toHaveLength(FACTS_PER_TICK);
    expect(full.slice(0, 3)).toEqual(['run_own1', 'run_own0', 'run_own2']);
    expect(inbox.isQuiet).toBe(false);
  });
});
