import { describe, expect, it } from 'vitest';
import { secretMask } from './secret-mask.ts';

describe('the mask of secrets', () => {
  it('covers a value as it is, in addresses and in JSON', () => {
    const mask = secretMask(['top "secret"/ü']);
    for (const text of [
      'top "secret"/ü',
      encodeURIComponent('top "secret"/ü'),
      encodeURI('top "secret"/ü'),
      JSON.stringify({ key: 'top "secret"/ü' }),
    ]) {
      expect(mask(`before ${text} after`)).not.toMatch(/secret/);
    }
  });

  it('covers the parts of an address by which it could be found', () => {
    const mask = secretMask(['https://hooks.example.org/services/T00/KEY?token=abcd']);
    expect(mask('POST https://hooks.example.org/services/T00/KEY answered 500')).toBe(
      'POST *** answered 500',
    );
    expect(mask('at /services/T00/KEY?token=abcd')).toBe('at ***');
    expect(mask('https://hooks.example.org/services/T00/KEY?token=abcd')).toBe('***');
    expect(mask('token=abcd')).toBe('***');
    expect(mask('https://hooks.example.org is down')).toBe('https://hooks.example.org is down');
  });

  it('leaves what is too short to be told apart', () => {
    expect(secretMask(['1', ''])('1 of 1')).toBe('1 of 1');
  });
});
