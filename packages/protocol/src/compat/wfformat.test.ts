import { describe, expect, it } from 'vitest';
import { type JsonValue, pipelineDefinition } from '../definition/index.ts';
import { fromWfFormat, type WfFormatOptions } from './wfformat.ts';

type Json = Record<string, JsonValue>;

function workflow(tasks: JsonValue[], recorded: JsonValue[] = [], more: Json = {}): JsonValue {
  return {
    name: 'w',
    schemaVersion: '1.5',
    workflow: { specification: { tasks }, execution: { makespanInSeconds: 1, tasks: recorded } },
    ...more,
  };
}

function task(id: string, parents: string[] = [], children: string[] = []): Json {
  return { id, name: id, parents, children };
}

function stagesOf(json: JsonValue, options?: WfFormatOptions) {
  const { definition, faults } = fromWfFormat(json, options);
  expect(faults).toEqual([]);
  return pipelineDefinition.parse(definition).stages;
}

describe('a recorded workflow', () => {
  it('becomes stages that wait for their parents and for those that have them as a child', () => {
    const stages = stagesOf(workflow([task('a', [], ['b', 'c']), task('b', ['a']), task('c', ['b'])]));
    expect(stages.map(({ name, dependsOn }) => [name, dependsOn])).toEqual([
      ['a', []],
      ['b', ['a']],
      ['c', ['b', 'a']],
    ]);
  });

  it('keeps ids that are no names, and makes equal ones differ', () => {
    const stages = stagesOf(workflow([task('a b'), task('a/b', ['a b']), task('c', ['a/b'])]));
    expect(stages.map(({ name, dependsOn, params }) => [name, dependsOn, params?.['task']])).toEqual([
      ['a_b', [], 'a b'],
      ['a_b_2', ['a_b'], 'a/b'],
      ['c', ['a_b_2'], undefined],
    ]);
  });

  it('has as many stages at once as there are slots, unless told, and a name that can be told', () => {
    const json = workflow([task('a')], [], { name: 'my flow', description: 'from a cluster' });
    expect(fromWfFormat(json).definition).toMatchObject({
      name: 'my_flow',
      description: 'from a cluster',
      maxParallel: 10_000,
    });
    expect(fromWfFormat(json, { name: 'other', maxParallel: 3 }).definition).toMatchObject({
      name: 'other',
      maxParallel: 3,
    });
  });
});

describe('the jobs', () => {
  const command = { program: 'align', arguments: ['--in a.fq', '--note "${{ x }}"'] };
  const json = workflow(
    [task('a'), task('b')],
    [
      { id: 'a', runtimeInSeconds: 12.5, command },
      { id: 'b', runtimeInSeconds: 0 },
    ],
  );
  const line = 'align --in a.fq --note "$${{ x }}"';

  it.each<[WfFormatOptions, unknown, unknown]>([
    [{}, { command: 'true' }, { runtimeInSeconds: 12.5, command: line }],
    [{ jobs: 'command' }, { command: line }, { runtimeInSeconds: 12.5 }],
    [{ jobs: 'sleep' }, { command: ['sleep', '12.5'] }, { runtimeInSeconds: 12.5, command: line }],
    [
      { jobs: 'sleep', speedup: 100 },
      { command: ['sleep', '0.125'] },
      { runtimeInSeconds: 12.5, command: line },
    ],
  ])('with %j are as told, and the rest of the recording stays in the params', (options, job, params) => {
    const [first, second] = stagesOf(json, options);
    expect(first).toMatchObject({ job, params });
    expect(Object.keys(first!.params ?? {})).toEqual(Object.keys(params as Json));
    expect(second!.params).toEqual({ runtimeInSeconds: 0 });
  });

  it('cannot sleep without a recorded runtime', () => {
    const { faults } = fromWfFormat(workflow([task('a'), task('b')], [{ id: 'a' }]), { jobs: 'sleep' });
    expect(faults).toMatchObject([
      { message: expect.stringMatching(/^recorded task 1: has no recorded "runtimeInSeconds"/) },
      { message: expect.stringMatching(/^task "b": has no recorded "runtimeInSeconds"/) },
    ]);
  });
});

describe('a file is refused with the place', () => {
  const tasks = ['workflow', 'specification', 'tasks'];
  it.each<[string, JsonValue, RegExp, (string | number)[]]>([
    ['a list', [], /^the workflow file: must be a mapping, found an empty list/, []],
    [
      'another version',
      workflow([task('a')], [], { schemaVersion: '1.4' }),
      /"1\.5".*found "1\.4"/,
      ['schemaVersion'],
    ],
    [
      'no version',
      { workflow: { specification: { tasks: [task('a')] } } },
      /there is no "schemaVersion"/,
      ['schemaVersion'],
    ],
    ['no workflow', { schemaVersion: '1.5' }, /^the workflow file: needs "workflow"/, ['workflow']],
    [
      'no specification',
      { schemaVersion: '1.5', workflow: {} },
      /^"workflow": needs "specification"/,
      ['workflow', 'specification'],
    ],
    ['no tasks', workflow([]), /^"specification": needs at least one task/, tasks],
    ['a task that is a text', workflow(['a']), /^task 1: must be a mapping, found "a"/, [...tasks, 0]],
    ['a task without id', workflow([{ parents: [] }]), /^task 1: needs "id"/, [...tasks, 0, 'id']],
    [
      'an id twice',
      workflow([task('a'), task('a')]),
      /^task "a": the id is given twice/,
      [...tasks, 1, 'id'],
    ],
    [
      'parents that are a text',
      workflow([{ id: 'a', parents: 'b' }]),
      /"parents" must be a list, found "b"/,
      [...tasks, 0, 'parents'],
    ],
    [
      'an unknown child',
      workflow([task('a', [], ['x'])]),
      /^task "a": entry 1 of "children" is "x", which is no task/,
      [...tasks, 0, 'children'],
    ],
    [
      'a negative runtime',
      workflow([task('a')], [{ id: 'a', runtimeInSeconds: -1 }]),
      /^recorded task 1: "runtimeInSeconds" .* found -1/,
      ['workflow', 'execution', 'tasks', 0, 'runtimeInSeconds'],
    ],
    [
      'a recording of nothing',
      workflow([task('a')], [{ id: 'z' }]),
      /^recorded task 1: "id" is "z", which no task has/,
      ['workflow', 'execution', 'tasks', 0, 'id'],
    ],
    [
      'two recordings',
      workflow([task('a')], [{ id: 'a' }, { id: 'a' }]),
      /the task "a" is recorded twice/,
      ['workflow', 'execution', 'tasks', 1, 'id'],
    ],
    [
      'a command that is a text',
      workflow([task('a')], [{ id: 'a', command: 'ls' }]),
      /"command" must be a mapping, found "ls"/,
      ['workflow', 'execution', 'tasks', 0, 'command'],
    ],
  ])('for %s', (_, json, message, path) => {
    expect(fromWfFormat(json).faults).toMatchObject([{ message: expect.stringMatching(message), path }]);
  });

  it('also where only the pipeline that comes out shows it', () => {
    const { paths } = fromWfFormat(workflow([task('a'), task('b', ['a', 'x'])]));
    expect(paths(['stages', 1, 'dependsOn', 1])).toEqual([...tasks, 1, 'parents', 1]);
    expect(paths(['stages', 0, 'name'])).toEqual([...tasks, 0, 'id']);
    expect(paths(['stages', 0, 'job', 'command'])).toEqual([...tasks, 0]);
    expect(paths(['name'])).toEqual(['name']);
    expect(paths([])).toEqual([]);
  });
});
