import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonValue, pipelineDefinition } from '../definition/index.ts';
import { fromTaskGraph } from './task-graph.ts';

type Json = Record<string, JsonValue>;

function graph(...tasks: Json[]): JsonValue {
  return { config: { name: 'g' }, tasks };
}

function shell(id: string, more: Json = {}): Json {
  return { id, exec_type: 'Shell', exec_command: 'true', ...more };
}

/** The first stage that comes out, read by the schema. */
function stageOf(task: Json) {
  const { definition, faults } = fromTaskGraph(graph(task));
  expect(faults).toEqual([]);
  return pipelineDefinition.parse(definition).stages[0]!;
}

function messagesOf(json: JsonValue): string[] {
  return fromTaskGraph(json).faults.map(({ message }) => message);
}

/** DAGs inside each other, the outermost included; every one has the same ids. */
function nested(levels: number, wrap: (dag: JsonValue) => JsonValue): Json {
  let dag: Json = { tasks: [shell('a')] };
  for (let level = 1; level < levels; level += 1) {
    dag = { tasks: [{ id: 'a', exec_type: 'Dag', exec_params: wrap(dag) }] };
  }
  return dag;
}

describe('config', () => {
  it.each<[Json, { maxParallel: number; failPolicy: string }]>([
    [{}, { maxParallel: 4, failPolicy: 'skip_dependents' }],
    [{ max_parallel: 0 }, { maxParallel: 1, failPolicy: 'skip_dependents' }],
    [{ max_parallel: -3 }, { maxParallel: 1, failPolicy: 'skip_dependents' }],
    [
      { max_parallel: 128, fail_policy: 'FailFast' },
      { maxParallel: 128, failPolicy: 'fail_fast' },
    ],
    [{ fail_policy: 'fail_fast' }, { maxParallel: 4, failPolicy: 'fail_fast' }],
    [{ fail_policy: 'SkipDownstream' }, { maxParallel: 4, failPolicy: 'skip_dependents' }],
    [
      { fail_policy: 'skip_downstream', depth: 3 },
      { maxParallel: 4, failPolicy: 'skip_dependents' },
    ],
  ])('%j is mapped', (config, expected) => {
    const { definition, faults } = fromTaskGraph({ config, tasks: [shell('a')] });
    expect(faults).toEqual([]);
    expect(definition).toMatchObject({ name: 'dag', ...expected });
  });

  it('gives the name, which is kept as description when it is none of ours', () => {
    const { definition } = fromTaskGraph({ config: { name: 'Nightly ETL' }, tasks: [shell('a')] });
    expect(definition).toMatchObject({ name: 'Nightly_ETL', description: 'Nightly ETL' });
  });
});

describe('a task', () => {
  it('keeps the defaults of the older system', () => {
    expect(stageOf(shell('a'))).toMatchObject({ name: 'a', priority: 0, job: { queue: 'default' } });
    expect(stageOf(shell('a')).retry).toBeUndefined();
    expect(stageOf(shell('a', { timeout_ms: 0 })).timeout).toBeUndefined();
  });

  it('gets one attempt more than retries, with delays of 1, 2, 4 times and no cap', () => {
    const { retry } = stageOf(shell('a', { retry_count: 3, retry_delay_ms: 250 }));
    expect(retry).toMatchObject({ attempts: 4, backoff: 250, factor: 2 });
    expect(retry?.maxBackoff).toBeGreaterThan(250 * 2 ** 20);
  });

  it('waits equally long each time without exponential backoff', () => {
    const { retry } = stageOf(shell('a', { retry_count: 1, retry_exp_backoff: false }));
    expect(retry).toMatchObject({ attempts: 2, backoff: 1000, factor: 1 });
  });

  it('keeps timeout, priority and queue', () => {
    const stage = stageOf(shell('a', { timeout_ms: 1500, priority: 2, queue: 'gpu' }));
    expect(stage).toMatchObject({ timeout: 1500, priority: 2, job: { queue: 'gpu' } });
  });

  it.each<[string, Json, unknown]>([
    ['a Shell', shell('a', { exec_command: 'ls | wc -l' }), 'ls | wc -l'],
    [
      'a Shell with args',
      shell('a', { exec_command: 'echo "$@"', exec_params: { args: ['x y', 2] } }),
      ['sh', '-c', 'echo "$@"', 'sh', 'x y', '2'],
    ],
    ['a Script', { id: 'a', exec_type: 'Script', exec_command: './run.sh --fast' }, './run.sh --fast'],
    [
      'a Script with args',
      { id: 'a', exec_type: 'script', exec_command: './run.sh', exec_params: { args: ['--in', 'a b'] } },
      ['./run.sh', '--in', 'a b'],
    ],
    ['text that looks like an expression', shell('a', { exec_command: `echo \${{ x }}` }), `echo $\${{ x }}`],
  ])('that is %s has that command', (_, task, command) => {
    expect(stageOf(task).job?.command).toEqual(command);
  });

  it('hands on env, working directory and other params', () => {
    const execParams = { env: { A: 1 }, cwd: 'sub', rate: 0.1, note: `\${{ no }}` };
    expect(stageOf(shell('a', { exec_params: execParams }))).toMatchObject({
      job: { env: { A: '1' }, workingDir: 'sub' },
      params: { rate: 0.1, note: `$\${{ no }}` },
    });
  });

  it('may have an id that is no name of ours, and is found by it', () => {
    const json = graph(shell('load data'), shell('load_data'), shell('b', { deps: ['load data'] }));
    expect(fromTaskGraph(json)).toMatchObject({
      faults: [],
      definition: {
        stages: [{ name: 'load_data_2' }, { name: 'load_data' }, { dependsOn: ['load_data_2'] }],
      },
    });
  });

  it('may have a number for an id', () => {
    const { definition, faults } = fromTaskGraph(graph(shell('1'), { ...shell('b', { deps: [1] }), id: 2 }));
    expect(faults).toEqual([]);
    expect(definition.stages).toMatchObject([{ name: '1' }, { name: '2', dependsOn: ['1'] }]);
  });

  it('may be a request, or a function of a module', () => {
    const call = {
      ...{ id: 'a', exec_type: 'http_call', queue: 'net' },
      exec_params: { url: 'http://h/${{', method: 'post', headers: { a: 'b' }, body: { x: 1 } },
    };
    expect(stageOf(call)).toMatchObject({
      http: { url: 'http://h/$${{', method: 'POST', headers: { a: 'b' }, json: { x: 1 }, queue: 'net' },
    });
    expect(stageOf({ id: 'a', exec_type: 'HttpCall', exec_command: 'http://h' })).toMatchObject({
      http: { url: 'http://h', method: 'GET' },
    });
    const local = { id: 'a', exec_type: 'Local', exec_command: 'lib/report.ts#main', exec_params: { n: 1 } };
    expect(stageOf(local)).toMatchObject({
      function: { module: 'lib/report.ts', export: 'main', args: { n: 1 } },
    });
  });

  it('may have what is only for people and editors', () => {
    const more = { name: 'A', metadata: { owner: 'x' }, capture_output: false, depth: 99, description: null };
    expect(stageOf(shell('a', more))).toMatchObject({ name: 'a' });
  });
});

describe('a task that cannot be run is refused by name', () => {
  it.each<[string, Json, RegExp]>([
    ['HttpCall', { id: 'a', exec_type: 'HttpCall' }, /^task "a": an HttpCall needs its address/],
    [
      'HttpCall',
      { id: 'a', exec_type: 'HttpCall', exec_params: { url: 'http://x', verb: 'GET' } },
      /^task "a": an HttpCall has no use for "verb"/,
    ],
    ['Remote', { id: 'a', exec_type: 'Remote' }, /^task "a": exec_type Remote .* "queue"/],
    ['Template', { id: 'a', exec_type: 'Template' }, /^task "a": a Template needs the name of a registered/],
    [
      'Template',
      { id: 'a', exec_type: 'Template', exec_params: { template: 't', values: [] } },
      /^task "a": the values of a Template must be a mapping/,
    ],
    ['Local', { id: 'a', exec_type: 'Local' }, /^task "a": exec_type Local .* give a module/],
    [
      'an unknown type',
      { id: 'a', exec_type: 'Docker' },
      /^task "a": unknown exec_type "Docker"; one of Shell, Script, Local, /,
    ],
    ['no type', { id: 'a' }, /^task "a": needs "exec_type"/],
    ['no command', { id: 'a', exec_type: 'Shell' }, /^task "a": a Shell needs "exec_command"/],
    ['an interpreter', shell('a', { exec_command: '#!/usr/bin/python3\nprint(1)' }), /^task "a".*python3/],
    ['no id', { exec_type: 'Shell', exec_command: 'x' }, /^task 1: needs "id"/],
    ['an unknown key', shell('a', { dep: ['b'] }), /^task "a": unknown key "dep"; known: .*deps/],
    ['a priority of 3', shell('a', { priority: 3 }), /^task "a": "priority" .* from -1 to 2, found 3/],
    ['a negative timeout', shell('a', { timeout_ms: -1 }), /^task "a": "timeout_ms" .* found -1/],
    ['100 retries', shell('a', { retry_count: 100 }), /^task "a": "retry_count" .* from 0 to 99/],
    ['deps that are no list', shell('a', { deps: 'b' }), /^task "a": "deps" must be a list, found "b"/],
  ])('for %s', (_, task, message) => {
    expect(messagesOf(graph(task))).toEqual([expect.stringMatching(message)]);
  });

  it('when two have one id', () => {
    expect(messagesOf(graph(shell('a'), shell('b'), shell('a')))).toEqual([
      'task "a": the id is given twice on this level, first to task 1',
    ]);
  });
});

describe('a document is refused once', () => {
  it.each<[JsonValue, RegExp]>([
    [{ tasks: [] }, /^the DAG: needs at least one task/],
    [{ tasks: 'a' }, /^the DAG: "tasks" must be a list, found "a"$/],
    [{ tasks: [5] }, /^task 1: must be a mapping, found 5$/],
    [{ tasks: [shell('a')], config: 1 }, /^the DAG: "config" must be a mapping, found 1$/],
    [{ tasks: [shell('a')], config: { max_paralel: 2 } }, /^config of the DAG: unknown key "max_paralel"/],
    [{ tasks: [shell('a')], config: { fail_policy: 'Never' } }, /"fail_policy" must be SkipDownstream or/],
    [
      { tasks: [shell('a')], config: { max_parallel: 20_000 } },
      /"max_parallel" .* at most 10000, found 20000/,
    ],
    [{ tasks: [shell('a', { deps: [{}] })] }, /^task "a": entry 1 of "deps" must be text, found a mapping$/],
  ])('%j', (json, message) => {
    expect(messagesOf(json)).toEqual([expect.stringMatching(message)]);
  });
});

describe('a Dag task', () => {
  const inner = { config: { max_parallel: 2 }, tasks: [shell('a')] };

  it.each<[string, JsonValue]>([
    ['tasks and config', { ...inner, nesting_depth: 9 }],
    ['dag', { dag: inner }],
    ['dag as text', { dag: JSON.stringify(inner) }],
    ['dag_json', { dag_json: JSON.stringify(inner), depth: 0 }],
    ['dag_json as a mapping', { dag_json: inner }],
    ['text', JSON.stringify(inner)],
  ])('may give its DAG as %s', (_, execParams) => {
    const stage = stageOf({ id: 'a', exec_type: 'Dag', exec_params: execParams, timeout_ms: 9000 });
    expect(stage).toMatchObject({
      timeout: 9000,
      pipeline: { maxParallel: 2, stages: [{ name: 'a', job: { command: 'true' } }] },
    });
  });

  it.each<[string, JsonValue | undefined, RegExp]>([
    ['no DAG', {}, /^task "d": a Dag needs its tasks/],
    ['nothing', null, /^task "d": a Dag needs its tasks/],
    ['two DAGs', { dag: inner, dag_json: '{}' }, /^task "d": exec_params gives the inner DAG twice/],
    ['no JSON', { dag_json: '{"tasks": [' }, /^task "d": exec_params.dag_json is not JSON/],
    ['a JSON list', '[]', /^task "d": exec_params must hold a JSON object/],
    ['a list', { dag: [] }, /^task "d": "dag" must be a mapping or a JSON text/],
    ['a prototype key', '{"tasks":[],"__proto__":{}}', /^task "d": exec_params holds the key "__proto__"/],
    ['depth in values', `{"tasks":${'['.repeat(5000)}${']'.repeat(5000)}}`, /nests values deeper than 100/],
    ['no tasks', { dag: { tasks: [] } }, /^the inner DAG: needs at least one task/],
    ['other params', { dag: inner, rate: 1 }, /^task "d": a Dag has no use for "rate"/],
  ])('is refused with %s', (_, execParams, message) => {
    const task: Json = { id: 'd', exec_type: 'Dag', exec_params: execParams ?? null };
    expect(messagesOf(graph(task))).toEqual([expect.stringMatching(message)]);
  });

  it('cannot be retried as a whole', () => {
    const task = { id: 'd', exec_type: 'Dag', exec_params: { dag: inner }, retry_count: 1 };
    expect(messagesOf(graph(task))).toEqual([expect.stringMatching(/^task "d": a Dag cannot be retried/)]);
  });

  it.each<[string, (dag: JsonValue) => JsonValue]>([
    ['a mapping', (dag) => ({ dag, depth: 0 })],
    ['tasks', (dag) => dag],
  ])('as %s may be nested as deep as any server allows, and no deeper', (_, wrap) => {
    expect(messagesOf(nested(30, wrap))).toEqual([]);
    expect(messagesOf(nested(31, wrap))).toEqual(['DAG nesting depth exceeds limit (30)']);
  });

  it('as text may be nested deeper than ten levels: how deep is for the server to judge', () => {
    expect(messagesOf(nested(12, (dag) => ({ dag_json: JSON.stringify(dag) })))).toEqual([]);
  });

  it('given as one text through many aliases is bounded', () => {
    const text = JSON.stringify({ tasks: Array.from({ length: 1000 }, (_, i) => shell(`t${i}`)) });
    const tasks = Array.from({ length: 1000 }, (_, i) => ({
      id: `d${i}`,
      exec_type: 'Dag',
      exec_params: text,
    }));
    expect(messagesOf({ tasks })).toContainEqual(expect.stringMatching(/characters of inner DAGs$/));
  });
});

describe('paths', () => {
  const json = graph(shell('a'), {
    id: 'd',
    exec_type: 'Dag',
    deps: ['a'],
    exec_params: { dag_json: JSON.stringify(graph(shell('x', { exec_params: { args: ['1'] } }))) },
  });
  const inner = ['tasks', 1, 'exec_params', 'dag_json'];

  it.each([
    [['name'], ['config', 'name']],
    [['maxParallel'], ['config', 'max_parallel']],
    [['stages'], ['tasks']],
    [
      ['stages', 0, 'name'],
      ['tasks', 0, 'id'],
    ],
    [
      ['stages', 0, 'job', 'command'],
      ['tasks', 0, 'exec_command'],
    ],
    [
      ['stages', 0, 'retry', 'attempts'],
      ['tasks', 0, 'retry_count'],
    ],
    [
      ['stages', 1, 'dependsOn', 0],
      ['tasks', 1, 'deps', 0],
    ],
    [
      ['stages', 1, 'pipeline', 'failPolicy'],
      [...inner, 'config', 'fail_policy'],
    ],
    [
      ['stages', 1, 'pipeline', 'stages', 0, 'timeout'],
      [...inner, 'tasks', 0, 'timeout_ms'],
    ],
    [
      ['stages', 1, 'pipeline', 'stages', 0, 'job', 'command', 4],
      [...inner, 'tasks', 0, 'exec_params', 'args', 0],
    ],
  ])('lead from %j to %j', (ours, theirs) => {
    expect(fromTaskGraph(json).paths(ours)).toEqual(theirs);
  });
});

describe('any input', () => {
  it('is mapped without throwing to something that the schema judges', () => {
    const keys = fc.constantFrom(
      'id',
      'exec_type',
      'exec_command',
      'exec_params',
      'deps',
      'retry_count',
      'dag',
    );
    const value = fc.oneof(
      fc.constantFrom<JsonValue>('Dag', 'Shell', 'a', 0, null),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const task = fc.dictionary(keys, value as fc.Arbitrary<JsonValue>);
    const { tree } = fc.letrec<{ tree: JsonValue }>((tie) => ({
      tree: fc.record({
        tasks: fc.array(
          fc.oneof(
            { maxDepth: 3 },
            task as fc.Arbitrary<JsonValue>,
            fc.record({ id: fc.constant('d'), exec_type: fc.constant('Dag'), exec_params: tie('tree') }),
          ),
          { maxLength: 4 },
        ),
      }) as fc.Arbitrary<JsonValue>,
    }));
    fc.assert(
      fc.property(fc.oneof(tree, fc.jsonValue() as fc.Arbitrary<JsonValue>), (json) => {
        const { definition, paths } = fromTaskGraph(json);
        const parsed = pipelineDefinition.safeParse(definition);
        for (const issue of parsed.error?.issues ?? []) paths(issue.path as (string | number)[]);
      }),
      { numRuns: 300 },
    );
  });
});
