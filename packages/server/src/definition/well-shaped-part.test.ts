import { describe, expect, it } from 'vitest';
import { parseDefinition } from './index.ts';

/** Faults as `line CODE`, in order. */
function faultsOf(source: string): string[] {
  const result = parseDefinition(source);
  return result.ok ? [] : result.faults.map(({ line, code }) => `${line} ${code}`);
}

const job = "job: { command: 'echo ${{ params.oops }}' }";

describe('a file with faults of shape', () => {
  it('shows faults of meaning in the same round, in the order of the text', () => {
    const source = `name: x
maxParallel: many
params:
  n: { type: integer, default: lots }
  good: { type: string, default: fine }
stages:
  - { name: a, timeout: soon, job: { command: 'echo \${{ params.nothing }}' } }
  - { name: b, job: { command: 'echo \${{ stages.a.outputs.x }}' } }
  - { name: c, dependsOn: [b, zzz], foreach: { item: i, in: [1, 2, 3], maxItems: 2 }, job: { command: x } }
  - { name: d, triggerRule: all_failed, job: { command: 'echo \${{ params.good }}' } }
  - { name: e, jobb: { command: x }, when: '\${{ params.nowhere }}' }
`;
    expect(faultsOf(source)).toEqual([
      '2 WRONG_TYPE',
      '4 WRONG_TYPE',
      '7 BAD_VALUE',
      '7 BAD_EXPRESSION',
      '8 BAD_EXPRESSION',
      '9 UNKNOWN_DEPENDENCY',
      '9 TOO_MANY_ITEMS',
      '10 INVALID_VALUE',
      '11 BAD_VALUE',
      '11 UNKNOWN_KEY',
    ]);
  });

  it('shows faults of stages inside of one with a fault', () => {
    const inner = `pipeline: { stages: [{ name: i, ${job} }] }`;
    expect(faultsOf(`name: x\nstages:\n  - name: a\n    retry: often\n    ${inner}\n`)).toEqual([
      '4 WRONG_TYPE',
      '5 BAD_EXPRESSION',
    ]);
  });

  it.each([
    ['params that cannot be read', `params: [oops]\nstages: [{ name: a, ${job} }]`, ['2 WRONG_TYPE']],
    ['a misspelt key of params', `param: { oops: 1 }\nstages: [{ name: a, ${job} }]`, ['2 UNKNOWN_KEY']],
    ['a param of a wrong form', `params: { oops: 7 }\nstages: [{ name: a, ${job} }]`, ['2 WRONG_TYPE']],
    [
      'params of a stage that cannot be read',
      `stages:\n  - { name: a, params: 7, pipeline: { stages: [{ name: b, ${job} }] } }`,
      ['3 WRONG_TYPE'],
    ],
    [
      'a foreach of a wrong form',
      "stages:\n  - { name: a, foreach: [1], job: { command: 'echo ${{ item.i }}' } }",
      ['3 WRONG_TYPE'],
    ],
    [
      'a misspelt foreach',
      "stages:\n  - { name: a, forech: { item: i, in: [1] }, job: { command: 'echo ${{ item.i }}' } }",
      ['3 UNKNOWN_KEY'],
    ],
    [
      'a misspelt dependsOn',
      "stages:\n  - { name: a, job: { command: x } }\n  - { name: b, dependOn: [a], job: { command: 'echo ${{ stages.a.outputs.x }}' } }",
      ['4 UNKNOWN_KEY'],
    ],
    [
      'a dependsOn that cannot be read',
      "stages:\n  - { name: a, job: { command: x } }\n  - { name: b, dependsOn: a, job: { command: x } }\n  - { name: c, dependsOn: [b], job: { command: 'echo ${{ stages.a.outputs.x }}' } }",
      ['4 WRONG_TYPE'],
    ],
    [
      'a name that cannot be read',
      "stages:\n  - { name: 7, job: { command: x } }\n  - { name: b, dependsOn: [a], job: { command: 'echo ${{ stages.a.outputs.x }}' } }",
      ['3 WRONG_TYPE'],
    ],
    ['no stages', 'params: { n: { type: integer, default: x } }', ['1 MISSING_KEY']],
  ])('tells nothing that may come from %s', (_, rest, faults) => {
    expect(faultsOf(`name: x\n${rest}\n`)).toEqual(faults);
  });

  it('lists no more faults of a thousand stages than anyone reads', () => {
    const stages = Array.from({ length: 900 }, (_, at) => `  - { name: s${at}, timeout: x, ${job} }\n`);
    expect(faultsOf(`name: x\nstages:\n${stages.join('')}`)).toHaveLength(101);
  });
});
