import { expect, it } from 'vitest';
import { parseDefinition } from '../definition/index.ts';
import { stagesOfChangedParams } from './changed-params.ts';

it('follows a changed param into a used pipeline by the values that are handed over, and no further', () => {
  const checked = parseDefinition(`
name: p
params: { size: { type: integer }, word: { type: string } }
templates:
  train:
    params: { hidden: { type: integer }, word: { type: string, default: own } }
    stages:
      - { name: fit, job: { command: [fit, '\${{ params.hidden }}'] } }
      - { name: say, job: { command: [say, '\${{ params.word }}'] } }
stages:
  - { name: used, pipeline: { use: train, params: { hidden: '\${{ params.size * 2 }}' } } }
  - { name: own, job: { command: [say, '\${{ params.word }}'] } }
`);
  if (!checked.ok) throw new Error(checked.faults[0]!.message);
  const inputs = (now: object) => [
    ...stagesOfChangedParams(checked.definition, { size: 1, word: 'a' }, { size: 1, word: 'a', ...now })
      .inputs,
  ];
  expect(inputs({ size: 2 })).toEqual(['used/fit']);
  // The template has a param of this name, too, but it is another one.
  expect(inputs({ word: 'b' })).toEqual(['own']);
  expect(inputs({})).toEqual([]);
});
