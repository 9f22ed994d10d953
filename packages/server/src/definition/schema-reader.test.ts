import { type JsonValue, pipelineDefinition } from '@trainyard/protocol/definition';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { schemaReader, UNREAD } from './schema-reader.ts';

const read = schemaReader(pipelineDefinition);

/** By key of a stage: values that are right, and some that are not. */
const VALUES: Readonly<Record<string, readonly JsonValue[]>> = {
  name: ['a', 'b-1', 'c_2', '', 'has space', 'x'.repeat(101), 3],
  dependsOn: [[], ['a'], ['a', 'b-1'], 'a', [1]],
  triggerRule: ['all_done', 'always', 'sometimes'],
  when: [true, '${{ params.go }}', 'no expression', 1],
  foreach: [{ item: 'x', in: [1, 2] }, { matrix: { a: [1], b: ['x'] } }, { item: 'x' }, []],
  params: [{}, { lr: 0.1, deep: { list: [1, null, 'x'] } }, { ['p'.repeat(101)]: 1 }, []],
  retry: [{ attempts: 3 }, { attempts: 2, backoff: '10s', jitter: 0.5 }, { attempts: 0 }, { tries: 1 }],
  timeout: ['10m', 1000, 'soon', null],
  priority: [5, -1000, 1001, 1.5],
  hook: ['onFailure', 'never'],
  pools: [['gpu'], [{ name: 'gpu', slots: 2 }], ['gpu', 'gpu'], []],
  concurrency: [{ group: 'g' }, { group: 'g', limit: 2, onConflict: 'cancel_newest' }, { limit: 1 }],
  cache: [true, { inputs: ['a.csv'] }, { inputs: ['${{ x }}'] }, 'yes'],
  failures: [[{ pattern: 'oops' }], [{ pattern: '(' }]],
  job: [
    { command: ['true'] },
    { command: 'echo hi', env: { A: 'x', B: 1, C: true }, queue: 'q', resources: { gpus: 1 } },
    { command: ['run', 3], artifacts: { model: 'out/model' }, executor: { ssh: { host: 'h' } }, grace: '5s' },
    { command: [], labels: { zone: 'x' } },
    { command: 'x', env: { 'not a name': 'x' } },
    { command: 'x', colour: 'red' },
    {},
  ],
  approval: [{ message: 'Ship it?' }, { message: 'Ok?', timeout: '1h', onTimeout: 'reject' }, {}],
  http: [{ url: 'http://x/' }, { url: 3 }],
  unknown: [1],
};

/** Mostly right, so that a definition of some stages is often right as a whole. */
const field = fc.constantFrom(...Object.keys(VALUES)).chain((key) => {
  const values = VALUES[key]!;
  const value = fc.oneof({ weight: 9, arbitrary: fc.constant(values[0]!) }, fc.constantFrom(...values));
  return value.map((chosen) => [key, chosen] as const);
});

const KINDS = ['job', 'approval', 'http'];

const stage: fc.Arbitrary<JsonValue> = fc.letrec((tie) => ({
  stage: fc
    .tuple(
      fc.uniqueArray(field, { maxLength: 4, selector: ([key]) => key }),
      fc.option(fc.array(tie('stage'), { minLength: 1, maxLength: 2 }), { freq: 5, nil: undefined }),
    )
    .map(([fields, inner]) => {
      const kind = inner === undefined ? { job: { command: ['true'] } } : { pipeline: { stages: inner } };
      const hasKind = fields.some(([key]) => KINDS.includes(key));
      return { name: 'a', ...Object.fromEntries(fields), ...(hasKind && inner === undefined ? {} : kind) };
    }),
})).stage as fc.Arbitrary<JsonValue>;

describe('a reader of a schema', () => {
  it('gives what the schema gives, in the same order, or nothing', () => {
    let readCount = 0;
    fc.assert(
      fc.property(fc.array(stage, { minLength: 1, maxLength: 3 }), (stages) => {
        const json = { name: 'p', stages, params: { go: { type: 'boolean', default: true } } };
        const found = read(json);
        const parsed = pipelineDefinition.safeParse(json);
        if (found === UNREAD) return;
        readCount += 1;
        expect(parsed.success).toBe(true);
        expect(JSON.stringify(found)).toBe(JSON.stringify(parsed.data));
        expect(found).toEqual(parsed.data);
      }),
      { numRuns: 1000 },
    );
    expect(readCount).toBeGreaterThan(30);
  });

  it('reads what is right of every kind of field', () => {
    for (const [key, [right]] of Object.entries(VALUES)) {
      if (key === 'unknown' || key === 'approval' || key === 'http') continue;
      const json = { name: 'p', stages: [{ name: 'a', job: { command: 'x' }, [key]: right }] };
      expect(pipelineDefinition.safeParse(json).error?.issues, key).toBeUndefined();
      expect(read(json), key).not.toBe(UNREAD);
    }
  });

  it('shares no list or mapping of defaults that could be changed', () => {
    const json = { name: 'p', stages: [{ name: 'a', job: { command: 'x' } }] };
    const { stages } = read(json) as { stages: { params: Record<string, number> }[] };
    expect(() => {
      stages[0]!.params['x'] = 1;
    }).toThrow(TypeError);
  });

  it('refuses keys that are unknown, missing or given as undefined', () => {
    const point = schemaReader(z.strictObject({ x: z.number(), y: z.number().optional() }));
    expect(point({ x: 1 })).toEqual({ x: 1 });
    for (const wrong of [{}, { y: 1 }, { x: 1, z: 2 }, { x: 1, y: undefined }, { x: Number.NaN }, [], null]) {
      expect(point(wrong)).toBe(UNREAD);
    }
  });

  it('leaves to the schema what it does not know', () => {
    const trimmed = schemaReader(z.array(z.string().trim().min(1)));
    expect(trimmed([' a '])).toEqual(['a']);
    expect(trimmed([' '])).toBe(UNREAD);
    const doubled = schemaReader(z.strictObject({ n: z.coerce.number().transform((n) => n * 2) }));
    expect(doubled({ n: '4' })).toEqual({ n: 8 });
    const loose = schemaReader(z.object({ n: z.number() }));
    expect(loose({ n: 1, m: 2 })).toEqual({ n: 1 });
  });
});
