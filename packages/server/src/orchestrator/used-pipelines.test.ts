import type { JsonValue, Run } from '@trainyard/protocol';
import { afterEach, expect, it } from 'vitest';
import { readDefinitionToRegister } from '../pipelines/read-submitted.ts';
import { createPipelineStore } from '../store/pipelines.ts';
import { createRunReads } from '../store/run-reads.ts';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

let plane: ControlPlane;

type Act = (stage: string, spec: Spec) => { fails?: boolean; outputs?: JsonValue };
type Spec = Awaited<ReturnType<ControlPlane['claim']>>[number]['spec'];

/** Finishes whatever can be claimed until nothing is left. */
async function work(agent: string, root: string, act: Act = () => ({})): Promise<Map<string, Run>> {
  for (;;) {
    const claimed = await plane.claim(agent);
    if (claimed.length === 0) {
      const runs = await plane.settled(root);
      if ([...runs.values()].every(({ status }) => status !== 'queued')) return runs;
    }
    for (const assigned of claimed) {
      const { fails = false, outputs = null } = act(assigned.spec.stage, assigned.spec);
      await plane.report(assigned, fails ? 'failed' : 'completed', { outputs });
    }
  }
}

async function register(source: string, baseDir: string | null = null): Promise<number> {
  const pipelines = createPipelineStore(plane.database);
  const content = await readDefinitionToRegister({ source }, { pipelines, maxDepth: 10 });
  const about = { baseDir, fileName: null, note: null, createdBy: null };
  return (await pipelines.register({ ...content, ...about })).version.version;
}

const TRAIN = `
  train:
    params: { hidden: { type: integer }, scale: { type: number, default: 2 } }
    stages:
      - { name: fit, params: { size: '\${{ params.hidden * 2 }}' }, job: { command: [fit, '\${{ params.scale / 4 }}'] } }
      - { name: test, dependsOn: [fit], job: { command: [test, '\${{ stages.fit.outputs.id }}'] } }`;

describeDatabases('used pipelines on the durable path', (engine) => {
  afterEach(() => plane.end());

  it.each([2, 16])(
    'run %d times in parallel without mixing states or outputs, across a restart',
    async (count) => {
      plane = await startControlPlane(engine);
      const agent = await plane.agent();
      const uses = Array.from(
        { length: count },
        (_, i) =>
          `  - { name: t${i}, pipeline: { use: train, params: { hidden: '\${{ params.base + ${i} }}' } } }`,
      );
      const names = Array.from({ length: count }, (_, i) => `t${i}`);
      const root = await plane.submit(`
name: parallel
params: { base: { type: integer, default: 100 } }
maxParallel: 16
templates:${TRAIN}
stages:
${uses.join('\n')}
  - { name: join, dependsOn: [${names.join(', ')}], params: { all: '\${{ [${names.map((name) => `stages.${name}.outputs.test.id`).join(', ')}] }}' }, job: { command: 'true' } }
`);
      const claimed = await plane.claim(agent);
      expect(claimed.map(({ spec }) => spec.stage).sort()).toEqual(names.map((name) => `${name}/fit`).sort());
      for (const assigned of claimed.slice(0, count / 2)) {
        await plane.report(assigned, 'completed', { outputs: { id: assigned.spec.stage } });
      }
      await plane.settled(root);
      await plane.orchestrator.stop();
      await plane.otherServer();
      for (const assigned of claimed.slice(count / 2)) {
        await plane.report(assigned, 'completed', { outputs: { id: assigned.spec.stage } });
      }
      const seen = new Map<string, Spec>();
      const runs = await work(agent, root, (stage, spec) => {
        seen.set(stage, spec);
        return { outputs: { id: `${stage}!` } };
      });
      expect(runs.get('')!.status).toBe('completed');
      expect(runs.size).toBe(2 + count * 3);
      for (const [i, name] of names.entries()) {
        expect(runs.get(`${name}/fit`)).toMatchObject({
          status: 'completed',
          outputs: { id: `${name}/fit` },
          // Nothing of the pipeline around, and the default of the template.
          params: { hidden: 100 + i, scale: 2, size: (100 + i) * 2 },
        });
        expect(seen.get(`${name}/test`)!.command).toEqual(['test', `${name}/fit`]);
        expect(seen.get(`${name}/test`)!.params).toEqual({ hidden: 100 + i, scale: 2 });
      }
      expect(seen.get('join')!.params['all']).toEqual(names.map((name) => `${name}/test!`));
      const { items } = await plane.events(root);
      for (const name of names) {
        const kinds = items.filter((event) => event.path === `${name}/test`).map((event) => event.type);
        expect(new Set(kinds).size).toBe(kinds.length);
      }
    },
  );

  it('are those of the moment of the submission, whatever is registered later', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const model = (word: string) =>
      `name: model\nparams: { n: { type: integer, default: 1 } }\nstages:\n  - { name: a, job: { command: [${word}] } }\n  - { name: b, dependsOn: [a], job: { command: [${word}, '\${{ params.n }}'], workingDir: sub } }\n`;
    await register(model('first'), '/models');
    const root = await plane.submit(`
name: caller
stages:
  - { name: newest, pipeline: { use: model, params: { n: 5 } } }
  - { name: pinned, dependsOn: [newest], pipeline: { use: model@1 } }
`);
    expect(await register(model('second'), '/models')).toBe(2);
    await createPipelineStore(plane.database).archive('model');
    await plane.orchestrator.stop();
    await plane.otherServer();
    const seen = new Map<string, Spec>();
    const runs = await work(agent, root, (stage, spec) => {
      seen.set(stage, spec);
      return {};
    });
    expect(runs.get('')!.status).toBe('completed');
    expect(seen.get('newest/b')).toMatchObject({ command: ['first', '5'], workingDir: '/models/sub' });
    expect(seen.get('pinned/b')).toMatchObject({ command: ['first', '1'], params: { n: 1 } });
    const definition = await createRunReads(plane.database).definition(root);
    expect(definition.source).toContain('use: model@1');
    expect(definition.uses.map(({ pipeline }) => pipeline)).toEqual([{ name: 'model', version: 1 }]);
    // The expanded definition stands for itself: it can be submitted as it is.
    const again = await plane.submit(definition.expanded!);
    expect((await createRunReads(plane.database).definition(again)).definition).toEqual(
      definition.definition,
    );
  });

  it('fail with a clear message when an expression gives a value of the wrong type', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: wrong
templates:${TRAIN}
stages:
  - { name: find, job: { command: 'true' } }
  - { name: good, dependsOn: [find], pipeline: { use: train, params: { hidden: '\${{ stages.find.outputs.n }}' } } }
  - { name: bad, dependsOn: [find], pipeline: { use: train, params: { hidden: '\${{ stages.find.outputs.word }}' } } }
`);
    const runs = await work(agent, root, (stage) => ({
      outputs: stage === 'find' ? { n: 8, word: 'many' } : { id: stage },
    }));
    expect(runs.get('good')!.status).toBe('completed');
    expect(runs.get('bad')).toMatchObject({ status: 'failed', error: { path: 'bad/fit' } });
    expect(runs.get('bad/fit')!.error).toMatchObject({
      code: 'expression',
      message: expect.stringContaining('train: param "hidden" must be a whole number, found the text "many"'),
    });
  });

  it('work in foreach, with conditions of their stage judged outside', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(`
name: items
params: { hidden: { type: integer, default: 7 } }
templates:${TRAIN}
stages:
  - { name: each, foreach: { item: n, in: [1, 2, 3] }, pipeline: { use: train, params: { hidden: '\${{ item.n }}' } } }
  - { name: never, when: '\${{ params.hidden == 1 }}', pipeline: { use: train, params: { hidden: 1 } } }
`);
    const runs = await work(agent, root, (stage) => ({ outputs: { id: stage } }));
    expect(runs.get('')!.status).toBe('completed');
    expect(runs.get('never')!.status).toBe('skipped');
    for (const n of [1, 2, 3]) {
      expect(runs.get(`each[${n - 1}]/test`)).toMatchObject({
        status: 'completed',
        params: { hidden: n, scale: 2 },
      });
    }
  });
});
