import { TrainyardError } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitExpressions } from './expression-text.ts';
import {
  checkDefinition,
  type ExpressionScope,
  parseDefinition,
  resolveExpressions,
  resolveJob,
  visibleStages,
} from './index.ts';

const ended = { status: 'completed', error: { code: '', message: '' } };

const scope: ExpressionScope = {
  params: { epochs: 3, lr: 1, name: 'base', list: [1, 2.5], nothing: null, flag: true },
  paramSpecs: { lr: { type: 'number' } },
  stages: {
    train: { ...ended, outputs: { checkpoint: 'model.json', accuracy: 0.93, deep: { a: [7] } } },
    'pre-pare': { ...ended, outputs: null },
    skipped: { ...ended, status: 'skipped', outputs: {} },
  },
  item: {},
  outcome: {},
  run: { id: 'run_1', name: 'example' },
};

const wrap = (expression: string) => `\${{ ${expression} }}`;
const resolve = (expression: string) => resolveExpressions(wrap(expression), scope);

function failure(expression: string): string {
  try {
    resolve(expression);
  } catch (error) {
    expect(error).toBeInstanceOf(TrainyardError);
    return (error as Error).message;
  }
  throw new Error('expected a failure');
}

describe('a text that is one expression', () => {
  it.each([
    ['params.epochs', 3],
    ['params.epochs + 1', 4],
    ['params.lr / 2', 0.5],
    ['params.epochs * 0.5', 1.5],
    ['params.list', [1, 2.5]],
    ['params.nothing', null],
    ['params.flag && params.epochs > 2', true],
    ['stages.train.outputs', { checkpoint: 'model.json', accuracy: 0.93, deep: { a: [7] } }],
    ['stages["pre-pare"].status', 'completed'],
    ['stages.train.outputs.accuracy > 0.9 ? "good" : "bad"', 'good'],
    ['params.list.map(x, x * 2)', [2, 5]],
    ['run.name + "-" + string(params.epochs)', 'example-3'],
    ['{"a": {"b": 1}}', { a: { b: 1 } }],
    ['"}}"', '}}'],
    ['has(stages.train.outputs.missing)', false],
  ])('keeps the JSON type of %s', (expression, value) => {
    expect(resolve(expression)).toEqual(value);
  });
});

describe('values of any kind', () => {
  it('are handed on as they are, whole and taken apart', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.jsonValue({ maxDepth: 3 })),
        (given) => {
          // As JSON holds them: it knows no -0.
          const v = JSON.parse(JSON.stringify(given));
          const within = { ...scope, params: { v, list: [v] } };
          const all = {
            whole: wrap('params.v'),
            same: wrap('params.v == params.list[0]'),
            n: wrap('size(params.v)'),
          };
          expect(resolveExpressions(all, within)).toEqual({ whole: v, same: true, n: Object.keys(v).length });
        },
      ),
    );
  });

  it('are looked at as a whole once, however many expressions read a part of them', () => {
    let looks = 0;
    const items = Array.from({ length: 9000 }, (_, n) => ({ n }));
    const list = new Proxy(items, {
      get: (target, key) => {
        looks += 1;
        return Reflect.get(target, key);
      },
    });
    const outputs = { list };
    const read = (n: number) =>
      resolveExpressions(wrap(`stages.gen.outputs.list[${n}].n`), {
        ...scope,
        stages: { gen: { ...ended, outputs } },
      });
    expect(read(7)).toBe(7);
    const once = looks;
    expect([8, 9].map(read)).toEqual([8, 9]);
    expect(looks).toBe(once);
  });
});

describe('a text around expressions', () => {
  it('takes texts as they are, other values as JSON and null as nothing', () => {
    const text = `${wrap('params.name')}/${wrap('params.epochs')}/${wrap('params.list')}/${wrap('params.nothing')}.`;
    expect(resolveExpressions(text, scope)).toBe('base/3/[1,2.5]/.');
  });

  it('is left alone without expressions and unescaped with "$${{"', () => {
    expect(resolveExpressions('$HOME {{ x }} $(pwd)', scope)).toBe('$HOME {{ x }} $(pwd)');
    expect(resolveExpressions('$${{ params.name }}', scope)).toBe(wrap('params.name'));
  });

  it('is resolved at any depth of a value', () => {
    expect(resolveExpressions({ a: [wrap('params.epochs'), { b: wrap('run.id') }] }, scope)).toEqual({
      a: [3, { b: 'run_1' }],
    });
  });
});

describe('an expression that cannot be computed', () => {
  it('names itself, the reason and the names that exist', () => {
    expect(failure('params.epohcs')).toContain('there is no param "epohcs"; did you mean "epochs"?');
    expect(failure('stages.evaluate.outputs.x')).toContain(
      'there is no visible stage "evaluate"; known: train, pre-pare',
    );
    expect(failure('stages.train.outputs.chekpoint')).toContain('No such key: chekpoint');
    expect(failure('secrets.x')).toContain('there is no secret here "x"');
    expect(failure('1 / 0')).toContain('division by zero');
    expect(failure('params.epochs +')).toContain(wrap('params.epochs +'));
    expect(failure('9223372036854775807')).toContain('too large for a JSON number');
  });

  it('may not hang the server', () => {
    expect(failure('"aaaa".matches("(a+)+$")')).toContain('"matches" is not available');
    expect(failure('[1].map(a, [1].map(b, [1].map(c, [1].map(d, d))))')).toContain('more than 3');
    expect(failure(`1 ${'+ 1'.repeat(700)}`)).toContain('at most 2000 characters');
  });

  it('reaches no prototype', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(failure(`params.${name}`)).toContain('there is no param');
    }
  });
});

describe('a job', () => {
  it('comes out with texts only', () => {
    const result = checkDefinition({
      name: 'x',
      params: { epochs: { type: 'integer' } },
      stages: [
        {
          name: 'a',
          job: {
            command: ['node', wrap('params.epochs')],
            env: { N: wrap('params.epochs') },
            workingDir: `out/${wrap('params.epochs')}`,
          },
        },
      ],
    });
    if (!result.ok) throw new Error(JSON.stringify(result.faults));
    expect(resolveJob(result.definition.stages[0]!.job!, scope)).toMatchObject({
      command: ['node', '3'],
      env: { N: '3' },
      workingDir: 'out/3',
      queue: 'default',
    });
  });
});

const SOURCE = `name: x
params:
  epochs: { type: integer, default: 3 }
stages:
  - { name: pre-pare, job: { command: "echo ${wrap('params.epohcs')}" } }
  - name: sweep
    dependsOn: [pre-pare]
    params: { size: "${wrap('params.epochs * 2')}" }
    pipeline:
      stages:
        - { name: one, job: { command: "${wrap('params.size')} ${wrap("stages['pre-pare'].outputs")}" } }
        - { name: two, job: { command: "${wrap('stages.one.status')}" } }
        - { name: pre-pare, dependsOn: [one], job: { command: "${wrap('stages.one.status')}" } }
  - name: last
    dependsOn: [sweep]
    job:
      command:
        - "${wrap("stages['pre-pare'].status")}"
        - "${wrap('stages.pre-pare.status')}"
        - "${wrap('stages.one.status')}"
        - "${wrap('1 +')}"
        - "${wrap('stages.last.status')}"
        - "${wrap('run.nme')}"
        - "\${{ run.id"
`;

describe('the check before a run', () => {
  it('finds syntax errors and references that cannot be met, with their places', () => {
    const result = parseDefinition(SOURCE);
    const found = result.ok ? [] : result.faults.map(({ line, message }) => `${line} ${message}`);
    expect(found).toEqual([
      expect.stringMatching(/^5 .*no param "epohcs"; did you mean "epochs"\?/),
      expect.stringMatching(/^12 .*stage "two" does not depend on "one"; add "one" to its dependsOn/),
      expect.stringMatching(/^19 .*write stages\["pre-pare"\]/),
      expect.stringMatching(/^20 .*no stage "one" that this one depends on/),
      expect.stringMatching(/^21 /),
      expect.stringMatching(/^22 .*refers to itself/),
      expect.stringMatching(/^23 .*the run has no "nme"; did you mean "name"\?/),
      expect.stringMatching(/^24 .*is not closed/),
    ]);
  });

  it('tells which stages a stage can see, inner ones hiding outer ones', () => {
    const job = { command: 'x' };
    const result = checkDefinition({
      name: 'x',
      stages: [
        { name: 'a', job },
        { name: 'b', dependsOn: ['a'], job },
        {
          name: 'p',
          dependsOn: ['b'],
          pipeline: {
            stages: [
              { name: 'a', job },
              { name: 'c', dependsOn: ['a'], job },
            ],
          },
        },
        { name: 'z', job },
      ],
    });
    if (!result.ok) throw new Error(JSON.stringify(result.faults));
    expect(Object.fromEntries(visibleStages(result.definition, ['p', 'c']))).toEqual({
      b: ['b'],
      a: ['p', 'a'],
    });
    expect(Object.fromEntries(visibleStages(result.definition, ['p', 'a']))).toEqual({ b: ['b'], a: ['a'] });
    expect(visibleStages(result.definition, ['z']).size).toBe(0);
  });
});

describe('splitting', () => {
  it('gives back any text without "${{" as one literal', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes('${{') && text !== '');
        expect(splitExpressions(text)).toEqual({ ok: true, parts: [{ kind: 'literal', text }] });
      }),
    );
  });

  it('never throws on any text', () => {
    const word = fc.constantFrom('${{', '$', '}}', '{', '}', '"', "'", '\\', 'a', ' ');
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const split = splitExpressions(words.join(''));
        expect(typeof split.ok).toBe('boolean');
      }),
      { numRuns: 1000 },
    );
  });

  it('never throws anything but a TrainyardError on any expression', () => {
    const word = fc.constantFrom(
      'params',
      '.',
      'epochs',
      '[',
      ']',
      '(',
      ')',
      '+',
      '1',
      '"a"',
      '?',
      ':',
      ' in ',
      '&&',
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), (words) => {
        try {
          resolve(words.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(TrainyardError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
