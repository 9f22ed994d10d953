import { describe, expect, it } from 'vitest';
import { parseDefinition } from '../definition/index.ts';
import { type AskedOfStages, stagesOfChangedDefinition } from './changed-definition.ts';

const STAGES = `
stages:
  - { name: a, job: { command: a } }
  - name: inner
    dependsOn: [a]
    params: { deep: 1 }
    pipeline:
      stages:
        - { name: x, job: { command: 'x \${{ params.n }}' } }
        - { name: y, dependsOn: [x], cache: { code: [y.py] }, job: { command: y } }
  - { name: each, foreach: { item: i, in: [1, 2] }, job: { command: 'do \${{ item.i }}' } }
  - { name: ask, dependsOn: [inner, each], approval: { message: Ship it? } }
`;
const SOURCE = `name: p\nparams: { n: { type: integer, default: 1 } }${STAGES}`;

function asked(source: string, more: Partial<AskedOfStages> = {}): AskedOfStages {
  const checked = parseDefinition(source);
  if (!checked.ok) throw new Error(checked.faults[0]!.message);
  return { definition: checked.definition, params: { n: 1 }, baseDir: '/p', cacheBasis: null, ...more };
}

const files = (hash: string) => ({ cacheBasis: { files: { 'y.py': hash }, code: hash } });

function changes(mend: (source: string) => string, before = {}, now = {}) {
  const { inputs, course, why } = stagesOfChangedDefinition(asked(SOURCE, before), asked(mend(SOURCE), now));
  return { inputs: [...inputs], course: [...course], why: [...(why?.values() ?? [])] };
}
const replace = (from: string, to: string) => (source: string) => {
  if (!source.includes(from)) throw new Error(`the source has no ${from}`);
  return source.replace(from, to);
};

describe('a mended definition', () => {
  it.each([
    ['nothing', replace('name: p', 'name: p')],
    ['another order, name and layout', (text: string) => text.replace('name: p', '# mended\nname: q')],
    ['how it is tried', replace('{ command: a }', '{ command: a }, retry: { attempts: 3 }, timeout: 1h')],
    [
      'where and when it runs',
      replace('{ command: a }', '{ command: a, queue: gpu, grace: 1m }, priority: 5'),
    ],
    ['what it no longer waits for', replace('dependsOn: [inner, each]', 'dependsOn: [inner]')],
    [
      'policies of a level',
      replace('    pipeline:\n', '    pipeline:\n      maxParallel: 1\n      failPolicy: fail_fast\n'),
    ],
  ])('asks the same when only %s is new', (_, mend) => {
    expect(changes(mend)).toEqual({ inputs: [], course: [], why: [] });
  });

  it.each([
    ['a command', replace('{ command: a }', '{ command: b }'), ['a'], /definition has changed: job.command/],
    ['env', replace('{ command: y }', '{ command: y, env: { A: 1 } }'), ['inner/y'], /job.env/],
    ['a kind', replace('job: { command: a }', 'http: { url: "http://x/" }'), ['a'], /job.command/],
    ['params of a pipeline', replace('{ deep: 1 }', '{ deep: 2 }'), ['inner'], /params/],
    ['what people are asked', replace('Ship it?', 'Really?'), ['ask'], /approval.message/],
  ] as [string, (source: string) => string, string[], RegExp][])(
    'asks something else with another %s',
    (_, mend, inputs, why) => {
      const found = changes(mend);
      expect(found.inputs).toEqual(inputs);
      expect(found.why[0]).toMatch(why);
    },
  );

  it('asks something else where a param, its type, a file or a dependency is another', () => {
    expect(changes((text) => text, {}, { params: { n: 2 } })).toMatchObject({ inputs: ['inner/x'] });
    expect(changes(replace('integer', 'number'))).toMatchObject({ inputs: ['inner/x'] });
    expect(changes((text) => text, files('a'.repeat(64)), files('b'.repeat(64)))).toEqual({
      inputs: ['inner/y'],
      course: [],
      why: ['the content of "y.py" has changed'],
    });
    // Nobody knows what was in it before.
    expect(changes((text) => text, {}, files('b'.repeat(64))).inputs).toEqual([]);
    const more = changes(replace('dependsOn: [inner, each]', 'dependsOn: [inner, each, a]'));
    expect(more).toMatchObject({ inputs: ['ask'], why: ['it depends on "a" now'] });
    expect(changes((text) => text, {}, { baseDir: '/q' }).inputs).toEqual(['a', 'inner', 'each', 'ask']);
  });

  it('tells which levels and groups may end otherwise: stages that came or went, conditions, lists', () => {
    const z = '        - { name: z, job: { command: z } }\n';
    expect(changes(replace('  - { name: each', `${z}  - { name: each`))).toEqual({
      inputs: [],
      course: ['inner'],
      why: [],
    });
    expect(
      changes((text: string) => text.replace('name: x,', 'name: xx,').replace('[x]', '[xx]')).course,
    ).toEqual(['inner']);
    expect(changes(replace('in: [1, 2]', 'in: [1, 2, 3]'))).toMatchObject({ inputs: [], course: ['each'] });
    expect(changes(replace('name: a,', "name: a, when: '${{ params.n > 0 }}',")).course).toEqual(['a']);
  });
});
