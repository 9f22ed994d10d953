import type { JsonValue, Run } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

interface Ended {
  readonly runs: Map<string, Run>;
  /** What the programs of stages were given, by path. */
  readonly params: ReadonlyMap<string, Record<string, unknown>>;
  readonly commands: ReadonlyMap<string, unknown>;
}

describeDatabases('what expressions of a stage see of other stages', (engine) => {
  let plane: ControlPlane;
  let agent: string;
  beforeAll(async () => {
    plane = await startControlPlane(engine);
    agent = await plane.agent();
  });
  afterAll(() => plane.end());

  /** Plays the agent until the run has ended; what `act` says 'failed' of fails. */
  async function play(yaml: string, act: (stage: string) => JsonValue): Promise<Ended> {
    const root = await plane.submit(yaml);
    const params = new Map<string, Record<string, unknown>>();
    const commands = new Map<string, unknown>();
    for (;;) {
      const claimed = await plane.claim(agent);
      const runs = await plane.settled(root);
      if (claimed.length === 0 && runs.get('')!.endedAt !== null) return { runs, params, commands };
      for (const assigned of claimed) {
        const { stage, command } = assigned.spec;
        params.set(stage, assigned.spec.params);
        commands.set(stage, command);
        const outputs = act(stage);
        if (outputs === 'failed') await plane.report(assigned, 'failed');
        else await plane.report(assigned, 'completed', { outputs });
      }
    }
  }

  const large = 'x'.repeat(900_000);
  const sixLarge = (reader: string, inner = '') => `
name: large
stages:
  - name: n
    pipeline:
      stages:
        - { name: f, foreach: { item: i, in: [0, 1, 2, 3, 4, 5] }, job: { command: 'true' } }${inner}
  - { name: read, dependsOn: [n], ${reader}, job: { command: 'true' } }
`;
  const actLarge = (stage: string) =>
    stage.startsWith('n/f[') ? { d: large, v: Number(stage.slice(4, -1)) } : null;

  it('is what they ask for, also of groups whose outputs are too large for one value', async () => {
    const { runs, params } = await play(
      sixLarge(
        `when: '\${{ stages.n.outputs.f.size() == 6 }}', params: { x: '\${{ stages.n.outputs.f.map(o, o.v) }}' }`,
      ),
      actLarge,
    );
    expect(params.get('read')).toEqual({ x: [0, 1, 2, 3, 4, 5] });
    // The row of a group has none of them, rather than a part of them.
    expect(runs.get('n/f')!.outputs).toBeNull();
    expect(runs.get('n')!.outputs).toBeNull();
    expect(runs.get('n/f')!.reason).toMatch(/^its outputs have 5\.\d MiB in all, more than the 4 MiB/);
    expect(runs.get('read')!.reason).toBeNull();
  });

  it('fails the stage that reads more than it can be handed, and says what to do', async () => {
    const { runs } = await play(sixLarge(`params: { x: '\${{ stages.n.outputs.f }}' }`), actLarge);
    const { status, error } = runs.get('read')!;
    expect({ status, code: error?.code }).toEqual({ status: 'failed', code: 'outputs_too_large' });
    expect(error!.message).toMatch(/stages\.n\.outputs\.f.*5\.1 MiB, and 4 MiB are allowed; read only/);
  });

  it('fails a foreach whose list is too large', async () => {
    const { runs } = await play(
      sixLarge(`foreach: { item: each, in: '\${{ stages.n.outputs.f }}' }`),
      actLarge,
    );
    expect(runs.get('read')).toMatchObject({ status: 'failed', error: { code: 'outputs_too_large' } });
  });

  it('is of the stages that it depends on, not of one beside it that has the same name', async () => {
    const { runs, params, commands } = await play(
      `
name: shadows
stages:
  - { name: a, job: { command: 'true' } }
  - name: n
    dependsOn: [a]
    pipeline:
      stages:
        - { name: a, job: { command: 'true' } }
        - name: beside
          when: '\${{ stages.a.status == "completed" }}'
          params: { v: '\${{ stages.a.outputs.v }}' }
          job: { command: [echo, '\${{ stages.a.outputs.v }}', '\${{ stages["a"].outputs["v"] }}'] }
        - name: each
          foreach: { item: i, in: ['\${{ stages.a.outputs.v }}'] }
          pipeline:
            stages:
              - { name: a, job: { command: 'true' } }
              - { name: deep, params: { v: '\${{ stages.a.outputs.v }}' }, job: { command: 'true' } }
        - { name: after, dependsOn: [a], params: { v: '\${{ stages.a.outputs.v }}' }, job: { command: 'true' } }
        - name: last
          hook: always
          params: { v: '\${{ stages.a.outputs.v }}', of: '\${{ outcome.status }}' }
          job: { command: 'true' }
`,
      (stage) => ({ v: stage === 'a' ? 'a' : 'inner' }),
    );
    expect(runs.get('')!.status).toBe('completed');
    expect(commands.get('n/beside')).toEqual(['echo', 'a', 'a']);
    expect(runs.get('n/each[0]')!.item!.value).toBe('a');
    const seen = ['n/beside', 'n/each[0]/deep', 'n/after', 'n/last'].map((path) => params.get(path)!['v']);
    expect(seen).toEqual(['a', 'a', 'inner', 'inner']);
  });

  it('is why a stage failed, and that one without outputs was skipped', async () => {
    const { runs, params } = await play(
      `
name: errors
stages:
  - { name: bad, job: { command: 'true' } }
  - { name: good, job: { command: 'true' } }
  - { name: skipped, dependsOn: [bad], job: { command: 'true' } }
  - name: alarm
    dependsOn: [bad, good]
    triggerRule: one_failed
    params: { code: '\${{ stages.bad.error.code }}', text: '\${{ stages.bad.error.message + stages.good.error.message }}' }
    job: { command: 'true' }
  - name: reader
    dependsOn: [skipped]
    triggerRule: all_done
    job: { command: [echo, '\${{ stages.skipped.outputs.x }}'] }
`,
      (stage) => (stage === 'bad' ? 'failed' : null),
    );
    expect(params.get('alarm')).toEqual({ code: 'exit_code', text: 'exit code 1' });
    expect(runs.get('reader')!.error).toMatchObject({
      code: 'expression',
      message: expect.stringContaining('No such key: x: stage "skipped" has no outputs: it is skipped'),
    });
  });
});
