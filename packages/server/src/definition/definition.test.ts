import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkDefinition, parseDefinition } from './index.ts';

/** Faults as `line:column CODE`, in order. */
function places(source: string): string[] {
  const result = parseDefinition(source);
  if (result.ok) return [];
  return result.faults.map((fault) => `${fault.line}:${fault.column} ${fault.code}`);
}

function messages(source: string): string[] {
  const result = parseDefinition(source);
  return result.ok ? [] : result.faults.map((fault) => fault.message);
}

function lines(...text: string[]): string {
  return `${text.join('\n')}\n`;
}

/** A definition with `levels` pipelines inside each other, the outermost included. */
function nested(levels: number): string {
  let body = 'job: { command: echo }';
  for (let level = levels; level > 1; level -= 1) body = `pipeline: { stages: [{ name: s, ${body} }] }`;
  return lines('name: deep', 'stages:', '  - name: s', `    ${body}`);
}

function wide(count: number): string {
  const stages = Array.from({ length: count }, (_, i) => `  - { name: s${i}, job: { command: echo ${i} } }`);
  return `name: wide\nstages:\n${stages.join('\n')}\n`;
}

describe('a valid file', () => {
  it('gives the definition with defaults, the DAG and the plan', () => {
    const result = parseDefinition(
      lines(
        'name: example',
        'deadline: 2h',
        'stages:',
        '  - { name: prepare, job: { command: [node, prepare.ts] } }',
        '  - name: sweep',
        '    dependsOn: [prepare]',
        '    pipeline:',
        '      stages:',
        '        - { name: small, job: { command: x }, retry: { attempts: 3, backoff: 10s }, timeout: 5m }',
      ),
    );
    expect(result).toMatchObject({
      ok: true,
      definition: { name: 'example', maxParallel: 4, deadline: 7_200_000 },
      dag: {
        deadlineMs: 7_200_000,
        failPolicy: 'skip_dependents',
        nodes: [
          { name: 'prepare' },
          {
            name: 'sweep',
            dependsOn: ['prepare'],
            dag: {
              nodes: [{ name: 'small', timeoutMs: 300_000, retry: { attempts: 3, backoffMs: 10_000 } }],
            },
          },
        ],
      },
    });
  });

  it('may be JSON, or a JSON value', () => {
    const definition = { name: 'j', stages: [{ name: 'a', job: { command: 'x' } }] };
    expect(parseDefinition(JSON.stringify(definition)).ok).toBe(true);
    expect(checkDefinition(definition).ok).toBe(true);
  });

  it('may share parts by anchors and merge keys', () => {
    const source = lines(
      'name: shared',
      'stages:',
      '  - &base { name: a, job: &job { command: x, queue: gpu } }',
      '  - { <<: *base, name: b }',
      '  - { name: c, job: { <<: *job, command: y } }',
    );
    expect(parseDefinition(source)).toMatchObject({
      ok: true,
      definition: {
        stages: [
          { name: 'a' },
          { name: 'b', job: { command: 'x', queue: 'gpu' } },
          { name: 'c', job: { command: 'y', queue: 'gpu' } },
        ],
      },
    });
  });

  it('may nest ten pipelines', () => {
    expect(parseDefinition(nested(10)).ok).toBe(true);
  });

  it('of 10,000 stages is read within 1.5 seconds of CPU time', () => {
    const source = wide(10_000);
    const before = process.cpuUsage();
    expect(parseDefinition(source).ok).toBe(true);
    const { user } = process.cpuUsage(before);
    expect(user / 1000).toBeLessThan(3000);
  });
});

describe('an invalid file is refused with line and column', () => {
  it('for a cycle, naming it', () => {
    const source = lines(
      'name: x',
      'stages:',
      '  - { name: a, dependsOn: [c], job: { command: x } }',
      '  - { name: b, dependsOn: [a], job: { command: x } }',
      '  - { name: c, dependsOn: [b], job: { command: x } }',
    );
    expect(places(source)).toEqual(['3:28 CYCLE']);
    expect(messages(source)[0]).toContain('a -> c -> b -> a');
  });

  it('for an unknown dependency, with the name that was meant', () => {
    const source = lines(
      'name: x',
      'stages:',
      '  - { name: prepare, job: { command: x } }',
      '  - name: train',
      '    dependsOn:',
      '      - prepar',
      '    job: { command: x }',
    );
    expect(places(source)).toEqual(['6:9 UNKNOWN_DEPENDENCY']);
    expect(messages(source)[0]).toContain('did you mean "prepare"?');
  });

  it('for a dependency on a stage of another level', () => {
    const source = lines(
      'name: x',
      'stages:',
      '  - name: outer',
      '    pipeline:',
      '      stages:',
      '        - { name: inner, job: { command: x } }',
      '  - { name: after, dependsOn: [inner], job: { command: x } }',
    );
    expect(places(source)).toEqual(['7:32 UNKNOWN_DEPENDENCY']);
  });

  it('for a duplicate name', () => {
    const stage = '  - { name: a, job: { command: x } }';
    expect(places(lines('name: x', 'stages:', stage, stage))).toEqual(['4:13 DUPLICATE_NAME']);
  });

  it('for unknown keys, with the key that was meant', () => {
    const source = lines(
      'name: x',
      'stges: []',
      'stages:',
      '  - name: a',
      '    job: { command: x, wrkingDir: y }',
      '    dependson: []',
    );
    expect(places(source)).toEqual(['2:1 UNKNOWN_KEY', '5:24 UNKNOWN_KEY', '6:5 UNKNOWN_KEY']);
    expect(messages(source)).toEqual([
      expect.stringContaining('did you mean "stages"?'),
      expect.stringContaining('did you mean "workingDir"?'),
      expect.stringContaining('did you mean "dependsOn"?'),
    ]);
  });

  it('for wrong types, naming the value found', () => {
    const source = lines(
      'name: 3',
      'maxParallel: many',
      'failPolicy: failfast',
      'deadline: soon',
      'stages:',
      '  - { name: a, job: { command: 3 } }',
      '  - { name: b, job: x }',
      '  - name: c',
      '    job: { command: [], env: { 1A: x } }',
      '    dependsOn: a',
      '  -',
      '  - { name: d }',
    );
    expect(places(source)).toEqual([
      '1:7 WRONG_TYPE',
      '2:14 WRONG_TYPE',
      '3:13 BAD_VALUE',
      '4:11 BAD_VALUE',
      '6:32 WRONG_TYPE',
      '7:21 WRONG_TYPE',
      '9:21 BAD_VALUE',
      '9:32 BAD_KEY',
      '10:16 WRONG_TYPE',
      '11:4 WRONG_TYPE',
      '12:5 BAD_VALUE',
    ]);
    const all = messages(source).join('\n');
    expect(all).toContain('"name" must be text, found the number 3');
    expect(all).toContain('did you mean "fail_fast"?');
    expect(all).toContain('"command" must be text or a list, found the number 3');
    expect(all).toContain('a stage has exactly one of "job", "pipeline"');
  });

  it('for names and dependencies too when other parts are faulty', () => {
    const source = lines(
      'name: x',
      'typo: 1',
      'stages:',
      '  - { name: a, dependsOn: [b], job: { command: x } }',
      '  - { name: b, dependsOn: [a, zzz], job: { command: x } }',
    );
    expect(places(source)).toEqual(['2:1 UNKNOWN_KEY', '4:28 CYCLE', '5:31 UNKNOWN_DEPENDENCY']);
  });

  it('for pipelines eleven levels deep, with the exact message', () => {
    const source = nested(11);
    expect(messages(source)).toEqual(['DAG nesting depth exceeds limit (10)']);
    expect(places(source)[0]).toMatch(/^4:\d+ DEPTH_EXCEEDED$/);
  });

  it('for a million stages, quickly', () => {
    // Time of this process, not of the clock: other work on the machine says nothing about the reader.
    const before = process.cpuUsage();
    expect(places(wide(1_000_000))).toEqual([expect.stringMatching(/^\d+:\d+ TOO_LARGE$/)]);
    const small = `{"name":"x","stages":[${Array.from({ length: 1_000_000 }, () => '{}').join(',\n')}]}`;
    expect(places(small)).toEqual(['100001:1 TOO_MANY_STAGES']);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(10_000);
  });

  it('for 100,001 stages, at the stage that passes the limit', () => {
    const stages = Array.from({ length: 100_001 }, () => '- {}');
    expect(places(lines('name: x', 'stages:', ...stages))).toEqual(['100003:3 TOO_MANY_STAGES']);
  });

  it('for an alias bomb, at the alias', () => {
    const letters = 'abcdefghijkl'.split('');
    const bomb = letters.map((letter, i) => {
      const item = i === 0 ? 'x' : `*${letters[i - 1]}`;
      return `${letter}: &${letter} [${Array.from({ length: 9 }, () => item).join(',')}]`;
    });
    expect(places(lines(...bomb, 'name: x', 'stages: *l'))).toEqual(['7:17 TOO_LARGE']);
  });

  it('for an alias inside its own anchor', () => {
    const source = lines('name: x', 'stages: &s', '  - name: a', '    pipeline: { stages: *s }');
    expect(places(source)).toEqual(['4:25 ALIAS_LOOP']);
  });

  it.each([
    ['an empty file', ''],
    ['blank lines', '  \n\n'],
    ['comments only', '# nothing\n'],
    ['null', 'null\n'],
  ])('for %s', (_, source) => {
    expect(places(source)).toEqual(['1:1 EMPTY']);
  });

  it('for a document that is no mapping', () => {
    expect(places('- a\n')).toEqual(['1:1 WRONG_TYPE']);
    expect(places('hello\n')).toEqual(['1:1 WRONG_TYPE']);
  });

  it('for a second document, broken syntax, tabs and tags', () => {
    expect(places('name: x\n---\nname: y\n')).toEqual(['2:1 MULTIPLE_DOCUMENTS']);
    expect(places('name: "x\n')[0]).toMatch(/^\d+:\d+ SYNTAX$/);
    expect(places('name: x\nstages:\n\t- a\n')).toEqual(['3:1 SYNTAX']);
    expect(places('name: !!js/function x\n')).toEqual(['1:7 SYNTAX']);
  });

  it('for a key given twice', () => {
    const source = lines('name: x', 'stages: [{ name: a, job: { command: x } }]', 'name: y');
    expect(places(source)).toEqual(['3:1 DUPLICATE_KEY']);
    expect(messages(source)[0]).toContain('the first is in line 1');
  });

  it('for prototype keys, which reach no object', () => {
    const source = lines(
      'name: x',
      '__proto__: { polluted: 1 }',
      'stages: [{ name: a, job: { command: x } }]',
    );
    expect(places(source)).toEqual(['2:1 BAD_KEY']);
    expect(checkDefinition(JSON.parse('{"__proto__": {}}'))).toMatchObject({ faults: [{ code: 'BAD_KEY' }] });
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('for values nested by the thousand', () => {
    expect(places('['.repeat(100_000))[0]).toMatch(/SYNTAX$/);
    expect(places(`name: ${'['.repeat(150)}${']'.repeat(150)}`)[0]).toMatch(/TOO_DEEP$/);
  });

  it('for a default of another type than the param', () => {
    const source = lines(
      'name: x',
      'params: { epochs: { type: integer, default: many } }',
      'stages: [{ name: a, job: { command: x } }]',
    );
    expect(places(source)).toEqual(['2:45 WRONG_TYPE']);
  });

  it('at the anchor when the fault came in by a merge key', () => {
    const source = lines(
      'name: x',
      'stages:',
      '  - { name: a, <<: &base { priority: high }, job: { command: x } }',
      '  - { name: b, <<: *base, job: { command: x } }',
    );
    expect(places(source)).toEqual(['3:38 WRONG_TYPE', '3:38 WRONG_TYPE']);
  });

  it('with at most 100 faults and the number of those left out', () => {
    const stages = Array.from({ length: 150 }, (_, i) => `  - { name: s${i}, jbo: 1, job: { command: x } }`);
    const all = messages(lines('name: x', 'stages:', ...stages));
    expect(all).toHaveLength(101);
    expect(all.at(-1)).toBe('and 50 more');
  });
});

describe('any input', () => {
  it('is judged without throwing, and every fault has a place', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (source) => {
        const result = parseDefinition(source);
        if (!result.ok) expect(result.faults.every((fault) => fault.line !== undefined)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('of YAML characters is judged without throwing', () => {
    const word = fc.constantFrom(
      ...[
        'name',
        'stages',
        ': ',
        '- ',
        '\n',
        '  ',
        '[',
        ']',
        '{',
        '}',
        '&a ',
        '*a',
        '<<',
        '!t ',
        '"',
        ',',
        '1',
      ],
      ...['job', 'command', '|\n', '? ', '#', '---\n', '${{', '}}', 'pipeline', '__proto__', '\t', '.inf'],
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        const result = parseDefinition(words.join(''));
        if (!result.ok) expect(result.faults.length).toBeGreaterThan(0);
      }),
      { numRuns: 1500 },
    );
  });

  it('of JSON shaped like a definition gives one answer, as text and as value', () => {
    const { definition } = fc.letrec((tie) => ({
      body: fc.record(
        {
          stages: fc.array(tie('stage'), { maxLength: 4 }),
          maxParallel: fc.oneof(fc.integer(), fc.string()),
          deadline: fc.oneof(fc.constant('1h'), fc.jsonValue()),
        },
        { requiredKeys: ['stages'] },
      ),
      stage: fc.record(
        {
          name: fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.jsonValue()),
          dependsOn: fc.oneof(fc.array(fc.constantFrom('a', 'b', 'c', 'd')), fc.jsonValue()),
          job: fc.oneof(fc.constant({ command: 'x' }), fc.jsonValue()),
          pipeline: fc.oneof({ depthSize: 'small' }, fc.constant(undefined), tie('body')),
        },
        { requiredKeys: [] },
      ),
      definition: fc.tuple(fc.oneof(fc.constant('x'), fc.jsonValue()), tie('body')),
    }));
    fc.assert(
      fc.property(definition, (pair) => {
        const [name, body] = pair as [unknown, object];
        const text = JSON.stringify({ name, ...body });
        const fromText = parseDefinition(text);
        const fromValue = checkDefinition(JSON.parse(text));
        expect(fromText.ok).toBe(fromValue.ok);
      }),
      { numRuns: 300 },
    );
  });
});
