import { TrainyardError } from '@trainyard/protocol';
import { afterEach, expect, it, vi } from 'vitest';
import { reportError } from './report-error.ts';

afterEach(() => vi.restoreAllMocks());

it('names the fields of a request as the command line does, and leaves them as they are for programs', () => {
  const lines: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  const error = new TrainyardError(
    'INVALID_REQUEST',
    'body/from: give a day; body/everyMs: at least one minute; body/maxParallel: too many',
  );
  expect(reportError(error, { json: false, debug: false })).toBe(2);
  reportError(error, { json: true, debug: false });
  expect(lines[0]).toBe('error: from: give a day; every: at least one minute; max-parallel: too many\n');
  expect(lines[1]).toContain('body/everyMs');
});
