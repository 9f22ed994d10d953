import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDefinition } from './index.ts';
import { readJsonSource } from './json-source.ts';
import { readTextSource } from './text-source.ts';
import { readYamlSource } from './yaml-source.ts';

/** Values as files hold them, with texts that could be taken for the signs around them. */
const { mapping } = fc.letrec<{ mapping: Record<string, unknown>; value: unknown }>((tie) => ({
  mapping: fc.dictionary(text(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  value: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(text(), fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('mapping'),
  ),
}));

function text(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom('a', 'b', '{', '"', '\\', '[]', ':', 'é', '\n', ''),
    fc.string({ maxLength: 6 }),
  );
}

/** Every path into a value, and one beyond each. */
function pathsIn(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(typeof value === 'object' && value !== null ? value : {});
  return [
    path,
    [...path, Array.isArray(value) ? 99 : 'not there'],
    ...entries.flatMap(([key, inner]) => pathsIn(inner, [...path, key])),
  ];
}

describe('JSON text', () => {
  it('is read as it was written, with the same places as by the YAML parser', () => {
    fc.assert(
      fc.property(mapping, fc.constantFrom(undefined, 1, 2), (given, indent) => {
        const source = JSON.stringify(given, null, indent);
        const [fast, slow] = [readJsonSource(source), readYamlSource(source)];
        expect(fast === undefined || isDeepStrictEqual(fast.json, given)).toBe(true);
        fc.pre(fast !== undefined);
        expect(fast!.json).toEqual(slow.json);
        for (const path of pathsIn(given)) {
          for (const at of ['key', 'value'] as const) {
            expect(fast!.locate(path, at)).toEqual(slow.locate(path, at));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['a key that is given twice', '{"a": 1, "b": {"c": 1, "\\u0063": 2}}', '1:24 DUPLICATE_KEY'],
    ['a key twice of which one hides others', '{"a": {"x": 1, "y": 2}, "a": 3}', '1:25 DUPLICATE_KEY'],
    ['a prototype key', '{"name": "x",\n "__proto__": {}}', '2:2 BAD_KEY'],
    ['values that are too deep', `{"a": ${'['.repeat(120)}${']'.repeat(120)}}`, '1:107 TOO_DEEP'],
    ['a number that no JSON can hold', '{"a": 1e999}', '1:7 BAD_VALUE'],
    ['a syntax error', '{"a": 1,\n "b" 2}', '2:6 SYNTAX'],
  ])('with %s is refused with its place', (_, source, place) => {
    const result = readTextSource(source);
    expect(readJsonSource(source)).toBeUndefined();
    const [{ code, position } = { code: '', position: undefined }] = result.faults;
    expect(`${position?.line}:${position?.column} ${code}`).toBe(place);
  });

  it('with escapes in keys is left to the YAML parser, because V8 may read them wrongly', () => {
    const source = '{"a": [{"\\n": 1, "b": "\\n"}]}';
    expect(readJsonSource(source)).toBeUndefined();
    expect(readTextSource(source).json).toEqual({ a: [{ '\n': 1, b: '\n' }] });
    expect(readJsonSource('{"a": "\\n", "b": "\\\\"}')?.json).toEqual({ a: '\n', b: '\\' });
  });

  it('of 100,000 stages is checked in about a second of this process, and a fault in it is found at its line', () => {
    const stages = Array.from({ length: 100_000 }, (_, at) =>
      JSON.stringify({ name: `s${at}`, ...(at > 0 && { dependsOn: [`s${at - 1}`] }), job: { command: 'x' } }),
    );
    const source = (all: readonly string[]): string => `{"name":"big","stages":[\n${all.join(',\n')}]}`;
    const before = process.cpuUsage();
    expect(parseDefinition(source(stages)).ok).toBe(true);
    // Some 0.9 s where nothing else runs; a reader of lines needs ten times as long.
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(5_000);
    const faulty = stages.with(70_000, '{"name":"odd","dependsOn":["s9x9"],"job":{"command":"x"}}');
    expect(parseDefinition(source(faulty))).toMatchObject({
      ok: false,
      faults: [
        { line: 70_002, column: 28, code: 'UNKNOWN_DEPENDENCY' },
        { line: 70_003, column: 31, code: 'UNKNOWN_DEPENDENCY' },
      ],
    });
  });
});
