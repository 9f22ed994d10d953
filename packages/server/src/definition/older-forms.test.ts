import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkDefinition, parseDefinition } from './index.ts';

/** Faults as `line:column CODE`, in order. */
function places(source: string): string[] {
  const result = parseDefinition(source);
  return result.ok ? [] : result.faults.map(({ line, column, code }) => `${line}:${column} ${code}`);
}

function messages(source: string): string[] {
  const result = parseDefinition(source);
  return result.ok ? [] : result.faults.map(({ message }) => message);
}

function lines(...text: string[]): string {
  return `${text.join('\n')}\n`;
}

/** An export of the older editor: JSON, one task per line. */
const NIGHTLY = lines(
  '{ "name": "nightly-report", "config": { "fail_policy": "SkipDownstream", "max_parallel": 4 },',
  '  "tasks": [',
  '    { "id": "fetch", "name": "Fetch", "exec_type": "Shell", "exec_command": "curl -sf $URL -o raw.csv",',
  '      "deps": [], "timeout_ms": 60000, "retry_count": 3, "priority": 1, "queue": "default" },',
  '    { "id": "clean", "exec_type": "Dag", "deps": ["fetch"], "exec_params": {',
  '        "config": { "fail_policy": "FailFast", "max_parallel": 2 },',
  '        "tasks": [',
  '          { "id": "fetch", "exec_type": "Script", "exec_command": "./split.sh raw.csv" },',
  '          { "id": "dedupe", "exec_type": "Shell", "exec_command": "sort -u", "deps": ["fetch"] } ] } },',
  '    { "id": "publish", "exec_type": "Shell", "exec_command": "./publish.sh", "deps": ["clean"] } ] }',
);

const TRAINING = lines(
  'name: sft-nightly',
  'description: Prepare, then train',
  'priority: 7',
  'stages:',
  '  - name: prepare',
  '    task: job',
  '    params: { command: [python3, prepare.py], dataset: d1 }',
  '  - name: train',
  '    task: job',
  '    depends_on: [prepare]',
  '    max_retries: 1',
  '    retry_delay: 30',
  '    params: { command: python3 train.py }',
);

describe('a definition of an older system', () => {
  it('as a task graph is read as ours', () => {
    expect(parseDefinition(NIGHTLY)).toMatchObject({
      ok: true,
      definition: { name: 'nightly-report', maxParallel: 4 },
      dag: {
        nodes: [
          {
            name: 'fetch',
            priority: 1,
            timeoutMs: 60_000,
            retry: { attempts: 4, backoffMs: 1000, factor: 2 },
          },
          {
            name: 'clean',
            dependsOn: ['fetch'],
            dag: { failPolicy: 'fail_fast', nodes: [{ name: 'fetch' }, { name: 'dedupe' }] },
          },
          { name: 'publish', dependsOn: ['clean'] },
        ],
      },
    });
  });

  it('as a stage list is read as ours', () => {
    expect(parseDefinition(TRAINING)).toMatchObject({
      ok: true,
      definition: { name: 'sft-nightly', description: 'Prepare, then train' },
      dag: {
        nodes: [
          { name: 'prepare', priority: 2, retry: { attempts: 4 } },
          { name: 'train', dependsOn: ['prepare'], retry: { attempts: 2, backoffMs: 30_000 } },
        ],
      },
    });
  });

  it('is read the same from text and from JSON, also as a bare list', () => {
    const list = [{ name: 'a', task: 'job', params: { command: 'x' } }];
    for (const json of [JSON.parse(NIGHTLY), list]) {
      const fromText = parseDefinition(JSON.stringify(json));
      expect(fromText.ok).toBe(true);
      expect(checkDefinition(json)).toEqual(fromText);
    }
  });

  it('has no expressions: what looks like one is text', () => {
    const command = `echo $\{{ params.x }}`;
    expect(checkDefinition({ tasks: [{ id: 'a', exec_type: 'Shell', exec_command: command }] }).ok).toBe(
      true,
    );
  });
});

describe('a fault of an older definition has its place in what was written', () => {
  it.each<[string, string[], string[]]>([
    [
      'an unknown dependency of a task',
      ['tasks:', '  - id: a', '    exec_type: Shell', '    exec_command: x', '    deps: [b]'],
      ['5:12 UNKNOWN_DEPENDENCY'],
    ],
    [
      'a cycle of stages',
      [
        '- { name: a, task: job, depends_on: [b], params: { command: x } }',
        '- { name: b, task: job, depends_on: [a], params: { command: x } }',
      ],
      ['1:38 CYCLE'],
    ],
    [
      'an unsupported type, a wrong value and a duplicate id, all at once',
      [
        'config: { fail_policy: Never }',
        'tasks:',
        '  - { id: a, exec_type: Remote }',
        '  - { id: a, exec_type: Shell, exec_command: x, retry_count: many }',
      ],
      ['1:24 BAD_VALUE', '3:25 UNSUPPORTED_TASK', '4:11 DUPLICATE_NAME', '4:62 WRONG_TYPE'],
    ],
    [
      'an environment that the schema refuses',
      [
        'tasks:',
        '  - id: a',
        '    exec_type: Shell',
        '    exec_command: x',
        '    exec_params: { env: { a-b: 1 } }',
      ],
      ['5:27 BAD_KEY'],
    ],
    [
      'a queue that is no name',
      ['tasks:', '  - { id: a, exec_type: Shell, exec_command: x, queue: "my queue" }'],
      ['2:56 BAD_VALUE'],
    ],
    [
      'a fault in an inner DAG',
      [
        'tasks:',
        '  - id: d',
        '    exec_type: Dag',
        '    exec_params:',
        '      dag:',
        '        tasks:',
        '          - { id: x, exec_type: Shell, exec_command: x, deps: [d] }',
      ],
      ['7:64 UNKNOWN_DEPENDENCY'],
    ],
    [
      'a fault in an inner DAG given as text, at the text',
      [
        'tasks:',
        '  - id: d',
        '    exec_type: Dag',
        '    exec_params:',
        `      dag_json: '{"tasks": [{"id": "x", "exec_type": "Shell"}]}'`,
      ],
      ['5:17 MISSING_KEY'],
    ],
    [
      'a task that has no executor',
      ['stages:', '  - name: t', '    task: merge_models', '    params: { job_uuid: j }'],
      ['3:11 UNSUPPORTED_TASK'],
    ],
    [
      'a run mode that there is not, and a count that is none',
      [
        'stages:',
        '  - { name: t, task: train_model, params: { job_uuid: j, run_mode: kube } }',
        '  - { name: c, task: cleanup_checkpoints, params: { job_uuid: j, keep_best_n: -1 } }',
      ],
      ['2:68 BAD_VALUE', '3:79 BAD_VALUE'],
    ],
    [
      'a key that is misspelt',
      ['tasks:', '  - id: a', '    exec_type: Shell', '    exec_comand: x'],
      ['4:5 UNKNOWN_KEY', '2:5 MISSING_KEY'],
    ],
  ])('such as %s', (_, text, expected) => {
    expect(places(lines(...text)).toSorted()).toEqual(expected.toSorted());
  });

  it('of nesting eleven levels deep', () => {
    const nested = (levels: number): object => ({
      tasks: [
        levels === 1
          ? { id: 'a', exec_type: 'Shell', exec_command: 'true' }
          : { id: 'a', exec_type: 'Dag', exec_params: { depth: 0, dag: nested(levels - 1) } },
      ],
    });
    expect(messages(JSON.stringify(nested(10)))).toEqual([]);
    expect(messages(JSON.stringify(nested(11)))).toEqual(['DAG nesting depth exceeds limit (10)']);
  });
});

describe('a definition in two forms', () => {
  it.each<[string, string[], string, RegExp]>([
    [
      'a stage list and ours',
      ['stages:', '  - { name: a, task: job }', '  - { name: b, job: { command: x } }'],
      '3:16',
      /"task" of the older stage list .*, and "job" of Trainyard's own form/,
    ],
    [
      'ours and a stage list',
      ['stages:', '  - { name: a, job: { command: x }, depends_on: [b] }'],
      '2:37',
      /"job" of Trainyard's own form, and "depends_on" of the older stage list/,
    ],
    [
      'a task graph and ours',
      ['tasks: []', 'stages:', '  - { name: b, job: { command: x } }'],
      '3:16',
      /"tasks" of the older task graph .*, and "job" of Trainyard's own form/,
    ],
    [
      'a task graph and stages that tell nothing',
      ['tasks: []', 'stages: []'],
      '2:1',
      /"tasks" of the older task graph .*, and "stages" of Trainyard's own form/,
    ],
    [
      'a task graph and a stage list',
      ['tasks:', '  - { id: b, exec_type: Shell, depends_on: [c] }'],
      '2:32',
      /"tasks" of the older task graph .*, and "depends_on" of the older stage list/,
    ],
  ])('%s is refused with both of them', (_, text, place, message) => {
    const source = lines(...text);
    expect(places(source)).toEqual([`${place} MIXED_FORMS`]);
    expect(messages(source)[0]).toMatch(message);
  });
});

describe('any older definition', () => {
  it('gives one answer, as text and as value, without throwing', () => {
    const keys = [
      'id',
      'name',
      'task',
      'exec_type',
      'exec_command',
      'exec_params',
      'deps',
      'depends_on',
      'params',
    ];
    const word = fc.constantFrom<unknown>(
      'a',
      'b',
      'Shell',
      'Dag',
      'job',
      ['a'],
      { command: 'x' },
      '{"tasks":[]}',
    );
    const item = fc.dictionary(fc.constantFrom(...keys), fc.oneof(word, fc.jsonValue({ maxDepth: 1 })));
    const document = fc.record({ [`tasks`]: fc.array(item), config: word }, { requiredKeys: [] });
    const any = fc.oneof(document, fc.record({ stages: fc.array(item) }), fc.array(item));
    fc.assert(
      fc.property(any, (json) => {
        // Such a key is refused at once in a value, and as one fault among others in a text.
        fc.pre(!JSON.stringify(json).includes('__proto__'));
        const asValue = checkDefinition(json);
        const asText = parseDefinition(JSON.stringify(json));
        expect(asText.ok).toBe(asValue.ok);
        if (asText.ok || asValue.ok) return;
        expect(asText.faults.every(({ line, column }) => line! >= 1 && column! >= 1)).toBe(true);
        const plain = asText.faults.map(({ code, message }) => `${code} ${message}`);
        expect(plain.toSorted()).toEqual(asValue.faults.map((f) => `${f.code} ${f.message}`).toSorted());
      }),
      { numRuns: 300 },
    );
  });
});
