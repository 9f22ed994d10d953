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
  expect(inputs({ size: 2 })).toEqual(['used', 'used/fit']);
  // The template has a param of this name, too, but it is another one.
  expect(inputs({ word: 'b' })).toEqual(['own']);
  expect(inputs({})).toEqual([]);
});

it('lets all in a used pipeline run again whose params change, through further levels', () => {
  const checked = parseDefinition(`
name: p
params: { p: { type: integer }, other: { type: integer } }
templates:
  inner:
    params: { w: { type: integer } }
    stages:
      - { name: work, job: { command: 'cat "$TRAINYARD_PARAMS"' } }
  outer:
    params: { v: { type: integer } }
    stages:
      - { name: first, job: { command: 'cat "$TRAINYARD_PARAMS"' } }
      - { name: deep, pipeline: { use: inner, params: { w: '\${{ params.v + 1 }}' } } }
stages:
  - { name: used, pipeline: { use: outer, params: { v: '\${{ params.p }}' } } }
`);
  if (!checked.ok) throw new Error(checked.faults[0]!.message);
  const inputs = (now: object) => [
    ...stagesOfChangedParams(checked.definition, { p: 1, other: 1 }, { p: 1, other: 1, ...now }).inputs,
  ];
  expect(inputs({ p: 9 })).toEqual(['used', 'used/deep']);
  expect(inputs({ other: 9 })).toEqual([]);
});
