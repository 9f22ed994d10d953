import { expect, test } from 'vitest';
import { errorLine } from './error-line.ts';

test('a message that names its stage is shown as it is', () => {
  const message = 'Stage "sweep/bad" failed: exit code 3';
  expect(errorLine({ code: 'stage_failed', message, path: 'sweep/bad' })).toBe(message);
});

test('a message that does not name its stage has the path before it', () => {
  expect(errorLine({ code: 'x', message: 'Exit code 3', path: 'bad' })).toBe('bad: Exit code 3');
  expect(errorLine({ code: 'x', message: 'Stage "bad" failed', path: 'sweep/bad' })).toBe(
    'sweep/bad: Stage "bad" failed',
  );
});

test('an error of the run itself has no path', () => {
  expect(errorLine({ code: 'x', message: 'Deadline passed' })).toBe('Deadline passed');
  expect(errorLine({ code: 'x', message: 'Deadline passed', path: '' })).toBe('Deadline passed');
});
