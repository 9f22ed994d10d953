import { afterEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

let plane: ControlPlane;

describeDatabases('expressions that would take for ever', (engine) => {
  afterEach(() => plane.end());

  it('fail their stage with what to do, and keep nobody else waiting', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: endless
stages:
  - { name: gen, job: { command: 'true' } }
  - name: judge
    dependsOn: [gen]
    when: '\${{ stages.gen.outputs.l.all(a, stages.gen.outputs.l.all(b, stages.gen.outputs.l.all(c, a+b+c >= 0))) }}'
    job: { command: 'true' }
  - name: each
    dependsOn: [gen]
    foreach: { item: n, in: '\${{ stages.gen.outputs.l }}', maxParallel: 400 }
    params: { pairs: '\${{ stages.gen.outputs.l.map(a, stages.gen.outputs.l.exists(b, a + b < 0)) }}' }
    job: { command: 'true' }
  - { name: other, dependsOn: [gen], job: { command: 'true' } }
`);
    const [gen] = await plane.claim(agent);
    await plane.report(gen!, 'completed', { outputs: { l: Array.from({ length: 400 }, (_, i) => i) } });
    const before = process.cpuUsage();
    const runs = await plane.settled(root);
    const { user } = process.cpuUsage(before);
    const error = runs.get('judge')!.error;
    expect(runs.get('judge')).toMatchObject({ status: 'failed', error: { code: 'expression' } });
    expect(error?.message).toMatch(
      /stages\.gen\.outputs\.l\.all.* more than 2000000 steps.* compute the value in a job/,
    );
    expect(runs.get('other')).toMatchObject({ status: 'queued' });
    const items = [...runs.values()].filter(({ path }) => path.startsWith('each['));
    expect(items).toHaveLength(400);
    const refused = items.filter((item) =>
      item.error?.message.includes('the expressions of the stages that start together'),
    );
    expect(refused.length).toBeGreaterThan(300);
    expect(user / 1e6).toBeLessThan(20);
  });

  it('of the params of a pipeline are computed once for all that start in it', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const stages = Array.from({ length: 40 }, (_, i) => `{ name: s${i}, job: { command: 'true' } }`);
    const root = await plane.submit(`
name: shared
stages:
  - { name: gen, job: { command: 'true' } }
  - name: group
    dependsOn: [gen]
    params: { sum: '\${{ size(stages.gen.outputs.l.filter(a, stages.gen.outputs.l.exists(b, a + b < 0))) }}' }
    pipeline: { maxParallel: 100, stages: [${stages.join(', ')}] }
`);
    const [gen] = await plane.claim(agent);
    // Hundreds of thousands of steps: forty times that is more than a decision may take.
    await plane.report(gen!, 'completed', { outputs: { l: Array.from({ length: 300 }, (_, i) => i) } });
    const runs = [...(await plane.settled(root)).values()].filter(({ path }) => path.startsWith('group/'));
    expect(runs.map(({ status, params }) => [status, params])).toEqual(
      runs.map(() => ['queued', { sum: 0 }]),
    );
    expect(runs).toHaveLength(40);
  });

  it('take outputs with keys that JavaScript has a meaning for', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: keys
stages:
  - { name: gen, job: { command: 'true' } }
  - { name: use, dependsOn: [gen], job: { command: [echo, '\${{ stages.gen.outputs.constructor.prototype + stages.gen.outputs.a }}'] } }
`);
    const [gen] = await plane.claim(agent);
    await plane.report(gen!, 'completed', { outputs: { constructor: { prototype: 1 }, a: 2 } });
    await plane.settled(root);
    const [use] = await plane.claim(agent);
    expect(use!.spec.command).toEqual(['echo', '3']);
  });
});
