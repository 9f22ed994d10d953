import { TrainyardError } from '@trainyard/protocol';
import { describe, expect, it } from 'vitest';
import { resolveParams } from './params.ts';

const params = {
  epochs: { type: 'integer', default: 3 },
  lr: { type: 'number' },
  name: { type: 'string', default: 'base' },
  debug: { type: 'boolean', default: false },
  extra: { type: 'json', default: { a: 1 } },
} as const;

function problem(given: Record<string, unknown>): string {
  try {
    resolveParams({ params }, given);
  } catch (error) {
    expect(error).toBeInstanceOf(TrainyardError);
    expect((error as TrainyardError).code).toBe('INVALID_PARAMS');
    return (error as Error).message;
  }
  throw new Error('expected a failure');
}

describe('the params of a run', () => {
  it('fill in the defaults', () => {
    expect(resolveParams({ params }, { lr: 0.1 })).toEqual({
      epochs: 3,
      lr: 0.1,
      name: 'base',
      debug: false,
      extra: { a: 1 },
    });
  });

  it('are read from the texts of the command line', () => {
    expect(
      resolveParams(
        { params },
        { epochs: '5', lr: '1e-3', name: '7', debug: 'true', extra: '{"b":[1,null]}' },
      ),
    ).toEqual({ epochs: 5, lr: 0.001, name: '7', debug: true, extra: { b: [1, null] } });
    expect(resolveParams({ params }, { lr: 1, extra: 'plain' })).toMatchObject({ extra: 'plain' });
  });

  it('are refused when unknown, missing or of another type, all at once', () => {
    expect(problem({ epohcs: 1, epochs: '1.5', debug: 'yes' }).split('\n')).toEqual([
      'there is no param "epohcs"; did you mean "epochs"?',
      'param "epochs" must be a whole number, found the text "1.5"',
      'param "lr" (number) has no default and was not given',
      'param "debug" must be true or false, found the text "yes"',
    ]);
    const exact = /"epochs" must be a whole number from -9007199254740991 to 9007199254740991 .*type string/;
    expect(problem({ epochs: '9007199254740993' })).toMatch(exact);
    expect(problem({ epochs: 2 ** 53 })).toMatch(exact);
    expect(problem({ lr: '' })).toContain('found an empty text');
    expect(problem({ lr: null })).toContain('found nothing (null)');
    expect(problem({ lr: Number.NaN })).toContain('must be a number');
    expect(problem({ lr: 1, ['__proto__']: 1 })).toContain('there is no param');
  });

  it('are none for a pipeline without params', () => {
    expect(resolveParams({ params: {} }, {})).toEqual({});
  });
});
