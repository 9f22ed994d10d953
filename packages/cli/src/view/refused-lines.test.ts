import { expect, it } from 'vitest';
import { refusedText } from './refused-lines.ts';

it('shows how many lines of metrics could not be read, the first with number and reason', () => {
  const first = [{ line: 3, offset: 40, problem: 'not a JSON object' }];
  expect(
    refusedText([{ runId: 'r', path: 'a/train', attempt: 2, stream: 'metrics', lines: 12, first }]),
  ).toBe(
    `lines of metrics that could not be read
  a/train  attempt 2: 12 of the metrics file
    line 3: not a JSON object
    and 11 more`,
  );
  expect(refusedText([{ runId: 'r', path: '', attempt: 1, stream: 'reported', lines: 1, first }])).toBe(
    `lines of metrics that could not be read
  attempt 1: 1 of what the program reported
    line 3: not a JSON object`,
  );
});
