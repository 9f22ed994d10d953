import { MAX_METRIC_LINE_BYTES } from '@trainyard/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ParsedLines, type ParserState, PointsByKey, parseMetricBytes } from './metric-parser.ts';

const START: ParserState = { parsed: 0, tail: [], inLongLine: false, lines: 0 };

it('gives the same points for every way to cut the bytes', () => {
  const text = '{"step":0,"loss":0.5}\r\n\n{"step":1,"höhe":1,"loss":NaN}\nnonsense\n{"step":2,"loss":1}';
  const whole = parseAll([Buffer.from(text)]);
  expect(whole.unreadable).toBe(1);
  expect(whole.problems[0]!.line).toBe(4);
  expect(whole.problems[0]!.offset).toBe(Buffer.byteLength(text.slice(0, text.indexOf('nonsense'))));
  expect(whole.points.get('loss')!.steps).toEqual(Float64Array.of(0, 1));
  expect(whole.state.parsed).toBe(Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 20 }), (cuts) => {
      expect(parseAll(split(Buffer.from(text), cuts))).toEqual({ ...whole, state: expect.anything() });
    }),
  );
});

it('skips a line that is too long and reads on behind it', () => {
  const long = Buffer.alloc(MAX_METRIC_LINE_BYTES + 10, 'x');
  const parts = [long, long, Buffer.from('x\n{"step":1,"loss":1}\n')];
  const result = parseAll(parts);
  expect(result.unreadable).toBe(1);
  expect(result.points.get('loss')!.steps).toEqual(Float64Array.of(1));
  expect(result.state).toEqual({
    parsed: parts.reduce((sum, part) => sum + part.length, 0),
    tail: [],
    inLongLine: false,
    lines: 2,
  });
});

it('keeps no more than one line of unparsed bytes', () => {
  let state = START;
  for (let i = 0; i < 40; i++) {
    state = parseMetricBytes(state, Buffer.alloc(100_000, 'x'), 0, new PointsByKey()).state;
    expect(state.tail.reduce((sum, part) => sum + part.length, 0)).toBeLessThanOrEqual(MAX_METRIC_LINE_BYTES);
  }
  expect(state).toMatchObject({ parsed: 4_000_000, inLongLine: true });
});

it('takes the time of receipt where a line has no timestamp or an impossible one', () => {
  const points = new PointsByKey();
  const text =
    '{"step":1,"loss":1}\n{"step":2,"timestamp":1e300,"loss":1}\n{"step":3,"timestamp":2,"loss":1}\n';
  parseMetricBytes(START, Buffer.from(text), 7000, points);
  expect(points.build().get('loss')!.times).toEqual(Float64Array.of(7000, 7000, 2000));
});

function parseAll(parts: readonly Buffer[]) {
  const points = new PointsByKey();
  const total = { unreadable: 0, problems: [] as ParsedLines['problems'][number][] };
  let state = START;
  for (const part of parts) {
    const parsed = parseMetricBytes(state, part, 5000, points);
    state = parsed.state;
    total.unreadable += parsed.unreadable;
    total.problems.push(...parsed.problems);
  }
  return { ...total, state, points: points.build() };
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts, bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1]!, end));
}
