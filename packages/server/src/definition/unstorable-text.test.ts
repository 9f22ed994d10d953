import { describe, expect, it } from 'vitest';
import { parseDefinition } from './index.ts';
import { parseTrainingJob } from './training-job.ts';

const placesOf = (checked: ReturnType<typeof parseDefinition> | ReturnType<typeof parseTrainingJob>) =>
  checked.ok ? [] : checked.faults.map(({ line, column, code, message }) => [line, column, code, message]);
const fault = (line: number, column: number, what: string) => [
  ...[line, column, 'UNSTORABLE_TEXT'],
  expect.stringContaining(what),
];

describe('text that cannot be stored', () => {
  it('is a fault of a pipeline file at its place, however it is written', () => {
    for (const nul of ['\\0', '\\x00', '\\u0000', '\\U00000000']) {
      const source = `name: x
params: { p: { type: string, default: "a${nul}b" } }
stages:
  - name: a
    job: { command: [echo, "${nul}"], env: { K: "x${nul}" } }
`;
      const columnOf = (line: number, text: string) => source.split('\n')[line - 1]!.indexOf(text) + 1;
      expect(placesOf(parseDefinition(source))).toEqual([
        fault(2, columnOf(2, '"a'), 'this text holds a NUL character'),
        fault(5, columnOf(5, `"${nul}"`), 'a NUL character'),
        fault(5, columnOf(5, '"x'), 'a NUL character'),
      ]);
    }
  });

  it('is one as JSON too, as key and as half of a surrogate pair', () => {
    const source = `{ "name": "x",
  "stages": [{ "name": "a", "job": { "command": "echo \\ud800" } },
    { "name": "b", "job": { "command": "x", "env": { "A\\u0000": "y" } } }] }`;
    const faults = placesOf(parseDefinition(source));
    expect(faults).toContainEqual(fault(2, 49, 'this text holds half of a surrogate pair'));
    expect(faults).toContainEqual(fault(3, 54, 'this key holds a NUL character'));
  });

  it('is not what only looks like it', () => {
    const source =
      'name: x\nstages:\n  - { name: a, job: { command: "C:\\\\0 \\ud83d\\ude00", env: { A: \'\\0\' } } }\n';
    expect(placesOf(parseDefinition(source))).toEqual([]);
  });

  it('is a fault of the file of a training job', () => {
    const source = 'name: j\nnumGpus: 0\ncommand: [sh, "a\\0"]\n';
    expect(placesOf(parseTrainingJob(source))).toEqual([fault(3, 15, 'a NUL character')]);
  });
});
