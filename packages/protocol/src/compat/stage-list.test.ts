import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFINITION_LIMITS, type JsonValue, pipelineDefinition } from '../definition/index.ts';
import { fromStageList } from './stage-list.ts';

type Json = Record<string, JsonValue>;

function job(name: string, more: Json = {}): Json {
  return { name, task: 'job', params: { command: 'true' }, ...more };
}

function messagesOf(json: JsonValue): string[] {
  return fromStageList(json).faults.map(({ message }) => message);
}

describe('a stage list', () => {
  it('is mapped with the defaults of the older system', () => {
    const { definition, faults } = fromStageList({
      name: 'Nightly training',
      stages: [job('prepare'), job('train', { depends_on: ['prepare'] })],
    });
    expect(faults).toEqual([]);
    const retry = { attempts: 4, backoff: 60_000, factor: 2, maxBackoff: 600_000 };
    expect(pipelineDefinition.parse(definition)).toMatchObject({
      name: 'Nightly_training',
      description: 'Nightly training',
      maxParallel: DEFINITION_LIMITS.maxParallel,
      failPolicy: 'skip_dependents',
      stages: [
        { name: 'prepare', priority: 0, retry, job: { command: 'true' } },
        { name: 'train', dependsOn: ['prepare'], retry },
      ],
    });
  });

  it('may say at the pipeline what its stages depend on', () => {
    const stages = [job('a'), job('b', { depends_on: ['a'] }), job('c', { depends_on: ['a'] })];
    const { definition, faults } = fromStageList({ name: 'x', stages, dependencies: { b: ['a'], c: ['b'] } });
    expect(faults).toEqual([]);
    expect(definition).toMatchObject({
      stages: [{ dependsOn: [] }, { dependsOn: ['a'] }, { dependsOn: ['a', 'b'] }],
    });
    expect(messagesOf({ stages, dependencies: { d: ['a'], b: 'a' } })).toEqual([
      'the pipeline: "dependencies" names "d", which is no stage',
      'the pipeline: what "b" depends on must be a list',
    ]);
  });

  it('may be bare', () => {
    const { definition, faults, paths } = fromStageList([job('a')]);
    expect(faults).toEqual([]);
    expect(definition).toMatchObject({ name: 'pipeline', stages: [{ name: 'a' }] });
    expect(paths(['stages', 0, 'name'])).toEqual([0, 'name']);
  });

  it.each<[Json, Json, object]>([
    [{ max_retries: 1 }, {}, { attempts: 2, backoff: 60_000 }],
    [{ max_retries: 1 }, { max_retries: 0 }, { attempts: 1 }],
    [{}, { max_retries: 5, retry_delay: 0.5 }, { attempts: 6, backoff: 500, maxBackoff: 600_000 }],
    [{}, { retry_delay: 1200 }, { attempts: 4, backoff: 1_200_000, maxBackoff: 1_200_000 }],
  ])('with %j and a stage with %j retries so', (pipeline, stage, retry) => {
    const { definition, faults } = fromStageList({ ...pipeline, stages: [job('a', stage)] });
    expect(faults).toEqual([]);
    expect(pipelineDefinition.parse(definition).stages[0]?.retry).toMatchObject(retry);
  });

  it.each([
    [1, -4],
    [5, 0],
    [10, 5],
  ])('of priority %d has stages of priority %d', (priority, expected) => {
    expect(fromStageList({ priority, stages: [job('a')] }).definition.stages[0]?.priority).toBe(expected);
  });

  it('hands the params of a job on, beside command, env and working_dir', () => {
    const params = {
      command: ['python3', 'x.py'],
      env: { A: 'b' },
      working_dir: 'sub',
      epochs: 3,
      t: '${{ x',
    };
    const { definition, faults } = fromStageList({ stages: [job('a', { params })] });
    expect(faults).toEqual([]);
    expect(pipelineDefinition.parse(definition).stages[0]).toMatchObject({
      params: { epochs: 3, t: '$${{ x' },
      job: { command: ['python3', 'x.py'], env: { A: 'b' }, workingDir: 'sub' },
    });
  });

  it('has the four built-in tasks with their params, and priorities of their kinds', () => {
    const context = { _pipeline_uuid: 'p', _stage_name: 's' };
    const stages = [
      {
        name: 'prepare',
        task: 'preprocess_dataset',
        params: { dataset_uuid: 'd', preprocessing_config: { shuffle: true }, ...context },
      },
      {
        name: 'train',
        task: 'train_model',
        params: { job_uuid: 'j', config: { note: '${{ x' }, run_mode: 'local', ssh_config: null, ...context },
      },
      {
        name: 'judge',
        task: 'run_evaluation',
        params: { job_uuid: 'j', checkpoint_path: 'best', eval_dataset_uuid: 'e' },
      },
      { name: 'clean', task: 'cleanup_checkpoints', params: { job_uuid: 'j', keep_best_n: 2 } },
    ];
    const { definition, faults } = fromStageList({ priority: 6, stages });
    expect(faults).toEqual([]);
    expect(pipelineDefinition.parse(definition).stages).toMatchObject([
      { preprocess_dataset: { dataset: 'd', config: { shuffle: true } }, priority: -1 },
      { train_model: { job: 'j', config: { note: '$${{ x' }, runMode: 'local' }, priority: 6 },
      { run_evaluation: { job: 'j', checkpoint: 'best', dataset: 'e' }, priority: 3 },
      { cleanup_checkpoints: { job: 'j', keepBest: 2, metric: 'eval_loss', direction: 'min' }, priority: -3 },
    ]);
  });

  it('may have what the older API shows with it', () => {
    const stored = { uuid: 'p1', status: 'failed', created_at: '2024-01-01T00:00:00Z', description: null };
    expect(messagesOf({ ...stored, stages: [job('a', { stage_order: 0, status: 'failed' })] })).toEqual([]);
  });
});

describe('a stage that cannot be run is refused by name', () => {
  it.each<[string, Json, RegExp]>([
    [
      'a built-in task without its job',
      { name: 'a', task: 'train_model' },
      /^stage "a": .* needs params.job_uuid/,
    ],
    [
      'a param that a built-in task does not have',
      { name: 'a', task: 'cleanup_checkpoints', params: { job_uuid: 'j', keep: 3 } },
      /^stage "a": the task "cleanup_checkpoints" has no param "keep"; known: job_uuid, keep_best_n/,
    ],
    ['an unknown task', { name: 'a', task: 'dance' }, /^stage "a": the task "dance" is not known here/],
    ['no task', { name: 'a' }, /^stage "a": needs "task"/],
    ['no command', { name: 'a', task: 'job' }, /^stage "a": a "job" needs params.command/],
    ['no name', { task: 'job', params: { command: 'x' } }, /^stage 1: needs "name"/],
    ['an unknown key', job('a', { depend_on: ['b'] }), /^stage "a": unknown key "depend_on"/],
    ['a wrong retry', job('a', { max_retries: -1 }), /^stage "a": "max_retries" .* found -1/],
    ['a wrong delay', job('a', { retry_delay: '60' }), /^stage "a": "retry_delay" .* found "60"/],
  ])('for %s', (_, stage, message) => {
    expect(messagesOf({ stages: [stage] })).toEqual([expect.stringMatching(message)]);
  });

  it('when two have one name', () => {
    expect(messagesOf([job('a'), job('a')])).toEqual([
      'stage "a": the name is given twice on this level, first to stage 1',
    ]);
  });

  it('when the list holds something else, once', () => {
    expect(messagesOf({ stages: [5] })).toEqual(['stage 1: must be a mapping, found 5']);
    expect(messagesOf({ stages: [] })).toEqual(['the pipeline: needs at least one stage']);
  });
});

describe('paths', () => {
  it.each([
    [['name'], ['name']],
    [
      ['stages', 0, 'dependsOn', 1],
      ['stages', 0, 'depends_on', 1],
    ],
    [
      ['stages', 0, 'job', 'workingDir'],
      ['stages', 0, 'params', 'working_dir'],
    ],
    [
      ['stages', 0, 'job', 'command', 2],
      ['stages', 0, 'params', 'command', 2],
    ],
    [
      ['stages', 0, 'retry', 'backoff'],
      ['stages', 0, 'retry_delay'],
    ],
  ])('lead from %j to %j', (ours, theirs) => {
    expect(fromStageList({ stages: [job('a')] }).paths(ours)).toEqual(theirs);
  });
});

describe('any input', () => {
  it('is mapped without throwing to something that the schema judges', () => {
    const keys = fc.constantFrom('name', 'task', 'params', 'depends_on', 'max_retries', 'retry_delay');
    const value = fc.oneof(fc.constantFrom<JsonValue>('job', { command: 'x' }, ['a'], 0), fc.jsonValue());
    const list = fc.array(fc.dictionary(keys, value)) as fc.Arbitrary<JsonValue>;
    fc.assert(
      fc.property(fc.oneof(list, fc.jsonValue() as fc.Arbitrary<JsonValue>), (json) => {
        const { definition, paths } = fromStageList(json);
        const parsed = pipelineDefinition.safeParse(definition);
        for (const issue of parsed.error?.issues ?? []) paths(issue.path as (string | number)[]);
      }),
      { numRuns: 300 },
    );
  });
});
