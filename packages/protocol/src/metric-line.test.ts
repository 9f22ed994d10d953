import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_KEY_LENGTH, MAX_KEYS_PER_LINE, MAX_METRIC_LINE_BYTES, parseMetricLine } from './metric-line.ts';

function read(text: string): Record<string, number> {
  const result = parseMetricLine(text);
  if (!result.ok) throw new Error(result.problem);
  return Object.fromEntries(result.line.values.map(({ key, value }) => [key, value]));
}

function problemOf(text: string): string {
  const result = parseMetricLine(text);
  return result.ok ? 'none' : result.problem;
}

describe('a metrics line', () => {
  it('of the documented shape gives all its points', () => {
    const text = JSON.stringify({
      step: 7,
      timestamp: 1700000000.25,
      epoch: 1,
      loss: { actor_loss: 0.1, critic_loss: 0.2, total_loss: 0.3 },
      reward: { mean: 1, std: 2, max: 3, min: 4 },
      kl: { mean: 5, max: 6 },
      gradient: { actor_norm: 7, critic_norm: 8 },
      performance: { tokens_per_second: 9, step_time: 10, gpu_memory_allocated: 11 },
      raw: { 'reward/mean': 99, 'custom/key': 12, step: 1, timestamp: 2 },
    });
    const result = parseMetricLine(text);
    expect(result).toMatchObject({ ok: true, line: { step: 7, timeMs: 1700000000250 } });
    expect(read(text)).toEqual({
      epoch: 1,
      policy_loss: 0.1,
      value_loss: 0.2,
      total_loss: 0.3,
      'reward/mean': 1,
      'reward/std': 2,
      'reward/max': 3,
      'reward/min': 4,
      'kl/mean': 5,
      'kl/max': 6,
      'gradient/actor_norm': 7,
      'gradient/critic_norm': 8,
      'performance/tokens_per_second': 9,
      'performance/step_time': 10,
      'performance/gpu_memory_allocated': 11,
      'custom/key': 12,
    });
  });

  it('holds NaN and infinities, bare or as text, and text that only looks like them', () => {
    expect(
      read('{"step":0,"a":NaN,"b":Infinity,"c":-Infinity,"d":"nan","e":"inf","f":"-Infinity","g":[NaN]}'),
    ).toEqual({
      a: Number.NaN,
      b: Infinity,
      c: -Infinity,
      d: Number.NaN,
      e: Infinity,
      f: -Infinity,
    });
    expect(read('{"step":0,"note":"a NaN \\" -Infinity","NaN":1,"x":NaN}')).toEqual({
      NaN: 1,
      x: Number.NaN,
    });
  });

  it('reads scientific notation, step 0 and huge steps', () => {
    expect(read('{"step":0,"lr":1e-05,"big":1.5E+300,"over":1e999}')).toEqual({
      lr: 1e-5,
      big: 1.5e300,
      over: Infinity,
    });
    expect(parseMetricLine(`{"step":${Number.MAX_SAFE_INTEGER}}`)).toMatchObject({
      ok: true,
      line: { values: [] },
    });
    expect(parseMetricLine('{"step":1e3}')).toMatchObject({ ok: true, line: { step: 1000 } });
  });

  it.each([
    '{"a":1}',
    '{"step":-1}',
    '{"step":1.5}',
    '{"step":"1"}',
    '{"step":null}',
    '{"step":9007199254740993}',
    '{"step":NaN}',
    '{"step":true}',
  ])('with the step of %s is refused', (text) =>
    expect(problemOf(text)).toContain('"step" must be an integer'),
  );

  it.each([
    '',
    'x',
    '[]',
    '1',
    'null',
    '"text"',
    '{"step":1',
    '{"step":1}{',
    '{step:1}',
    "{'step':1}",
    'NaN',
  ])('%j is no JSON object', (text) => expect(problemOf(text)).toBe('not a JSON object'));

  it('keeps keys that are names of object properties apart from them', () => {
    expect(
      read(
        '{"step":1,"__proto__":{"polluted":5},"constructor":6,"toString":7,"raw":{"__proto__":8,"hasOwnProperty":9}}',
      ),
    ).toEqual(
      Object.fromEntries([
        ['__proto__/polluted', 5],
        ['constructor', 6],
        ['toString', 7],
        ['__proto__', 8],
        ['hasOwnProperty', 9],
      ]),
    );
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('reads groups five deep and ignores what is deeper, lists, text and null', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : { g: nested(depth - 1) });
    expect(
      read(
        JSON.stringify({
          step: 1,
          ok: nested(4),
          deep: nested(5),
          list: [1],
          text: 'x',
          nothing: null,
          yes: true,
        }),
      ),
    ).toEqual({
      'ok/g/g/g/g': 1,
      yes: 1,
    });
    const deepest = `{"step":1,"a":${'{"g":'.repeat(5000)}1${'}'.repeat(5000)}}`;
    expect(read(deepest)).toEqual({});
  });

  it('has limits: length, number of keys, length of a key', () => {
    expect(problemOf(`{"step":1,"x":"${'x'.repeat(MAX_METRIC_LINE_BYTES)}"}`)).toContain('longer than');
    const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));
    expect(Object.keys(read(JSON.stringify({ step: 1, ...keys(MAX_KEYS_PER_LINE) })))).toHaveLength(
      MAX_KEYS_PER_LINE,
    );
    expect(problemOf(JSON.stringify({ step: 1, ...keys(MAX_KEYS_PER_LINE + 1) }))).toContain(
      'keys in one line',
    );
    expect(problemOf(JSON.stringify({ step: 1, raw: keys(MAX_KEYS_PER_LINE + 1) }))).toContain(
      'keys in one line',
    );
    expect(
      Object.keys(
        read(
          JSON.stringify({
            step: 1,
            ['a'.repeat(MAX_KEY_LENGTH)]: 1,
            ['b'.repeat(MAX_KEY_LENGTH + 1)]: 2,
            '': 3,
          }),
        ),
      ),
    ).toEqual(['a'.repeat(MAX_KEY_LENGTH)]);
  });

  it('is read quickly however it is malformed', () => {
    const before = process.cpuUsage();
    for (const text of [
      `{"step":1,"a":${'"\\'.repeat(200_000)}`,
      `{${'-'.repeat(500_000)}NaN`,
      `${'NaN,'.repeat(200_000)}`,
      '"'.repeat(1_000_000),
      '{"a":'.repeat(150_000),
    ]) {
      expect(parseMetricLine(text).ok).toBe(false);
    }
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(2000);
  });

  it('never throws, and gives back any numbers that were written', () => {
    const key = fc
      .string({ minLength: 1, maxLength: 20 })
      .filter((text) => !['step', 'timestamp', 'raw'].includes(text));
    fc.assert(
      fc.property(
        fc.dictionary(key, fc.double({ noNaN: true, noDefaultInfinity: true }), { noNullPrototype: true }),
        fc.nat(),
        (values, step) => {
          expect(read(JSON.stringify({ step, ...values }))).toEqual(JSON.parse(JSON.stringify(values)));
        },
      ),
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => typeof parseMetricLine(text).ok === 'boolean'),
    );
  });
});
