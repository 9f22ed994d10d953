import type { JsonValue } from '@trainyard/protocol';
import { describe, expect, it } from 'vitest';
import { checkStored, parseDefinition, resolveExpressions } from './index.ts';

const VALUES: Record<string, JsonValue> = { i: 3, d: 1.5, whole: 2, s: 'text', b: true, j: { k: [1] } };
const SPECS = {
  i: { type: 'integer' },
  d: { type: 'number' },
  whole: { type: 'number' },
  s: { type: 'string' },
  b: { type: 'boolean' },
  j: { type: 'json' },
} as const;

const withParams = (stages: string) =>
  `name: typed\nparams: ${JSON.stringify(SPECS)}\nstages:\n  - { name: a, job: { command: x } }\n${stages}`;
const stage = (keys: string) => `  - { name: b, dependsOn: [a], job: { command: x }, ${keys} }\n`;
const inParams = (expression: string) => stage(`params: { x: ${JSON.stringify(`\${{ ${expression} }}`)} }`);

function faultsOf(stages: string): string[] {
  const result = parseDefinition(withParams(stages));
  return result.ok ? [] : result.faults.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

describe('an expression that can never be computed', () => {
  it.each([
    ['nofunc(1)', 'no matching overload'],
    ['"a" + 1', 'string + int'],
    ['params.i.x', "Cannot index type 'int'"],
    ['params.s[0]', "Cannot index type 'string'"],
    ['size(5)', 'size(int)'],
    ['size(params.i)', 'size(int)'],
    ['params.s + params.i', 'string + int'],
    ['params.s > 1', 'string > int'],
    ['params.d.x > 1', "Cannot index type 'double'"],
    ['!params.i', '!int'],
    ['params.b && params.i', "got 'int'"],
    ['params.s ? 1 : 2', "got 'string'"],
    ['stages.a.outputs.l.map(x, params.i.y)', 'Cannot index'],
    ['stages.a.status == "sucess"', 'no status "sucess"'],
    ['"complete" == stages["a"].status', 'did you mean "completed"'],
    ['stages.a.status in ["failed", "timedout"]', 'did you mean "timed_out"'],
    ['stages[params.s].outputs.v', 'write the name of the stage out'],
    ['size(stages)', 'write the name of the stage out'],
  ])('is a fault with line and column: %s', (expression, named) => {
    const [fault, ...others] = faultsOf(inParams(expression));
    expect(fault).toMatch(/^5:\d+ in \$\{\{ /);
    expect(fault).toContain(`in \${{ ${expression} }}: `);
    expect(fault).toContain(named);
    expect(others).toEqual([]);
  });

  it.each([
    ["when: '${{ params.i }}'", 'needs true or false; ${{ params.i }} is a whole number'],
    ["when: '${{ [1] }}'", 'needs true or false; ${{ [1] }} is a list'],
    ["foreach: { item: n, in: '${{ params.i }}' }", 'needs a list; ${{ params.i }} is a whole number'],
    ["foreach: { matrix: { n: '${{ params.s }}' } }", 'needs a list; ${{ params.s }} is a text'],
    ['retry: { attempts: 2, retryOn: [timedout, nonsense] }', '"timedout"; did you mean "timed_out"?'],
    ['retry: { attempts: 2, retryOn: [Out-Of-Memory] }', 'did you mean "out_of_memory"?'],
    ['retry: { attempts: 2, retryOn: [failled] }', 'did you mean "failed"?'],
    ["retry: { attempts: 2, retryOn: ['75'] }", 'exit codes are numbers; write 75 without quotes'],
    ['retry: { attempts: 2, retryOn: [0] }', 'must be at least 1, found the number 0'],
    ['retry: { attempts: 2, retryOn: [256] }', 'must be at most 255'],
  ])('is a fault of where it stands: %s', (keys, named) => {
    const faults = faultsOf(stage(keys));
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^5:\d+ /);
    expect(faults[0]).toContain(named);
  });

  it('does not keep what was stored before from being run', () => {
    const text = stage("when: '${{ params.i }}', retry: { attempts: 2, retryOn: [timedout] }");
    expect(checkStored({ source: withParams(text), written: null }).ok).toBe(true);
  });
});

describe('an expression that can be computed', () => {
  it.each([
    'params.d == 1',
    'params.whole == 2 && 2 == params.whole',
    'params.i == 1.5',
    'params.i in [1.5, 2]',
    'params.d in [1, 2]',
    'params.whole > 1',
    'params.b ? params.i : 1.5',
    'params.b ? params.s : params.i',
    '[params.i, params.d, params.s]',
    'params.i + params.d * 2 - 1 / params.whole',
    'params == {"i": 3} || true',
    'size(params) > 2 && "i" in params',
    'params["i"] + 1',
    'has(params.i)',
    'params.j.k[0] + params.i',
    'string(params.d) + params.s',
    'params.s.contains("e")',
    'params.s.size() + size(params.s)',
    'stages.a.status == "completed"',
    'stages.a.outputs.x > params.d',
    'stages.a.outputs[params.s] == params.s',
    'params.s in stages.a.outputs',
    'stages.a.outputs.l.filter(x, x > params.d)',
    'params.s != "a" ? [params.i] : []',
  ])('is no fault: %s', (expression) => {
    expect(faultsOf(inParams(expression))).toEqual([]);
    const scope = {
      params: VALUES,
      paramSpecs: SPECS,
      stages: {
        a: {
          status: 'completed',
          error: { code: '', message: '' },
          outputs: { x: 2, text: 'text', l: [1, 2] },
        },
      },
      item: {},
      outcome: {},
      run: { id: 'run_1', name: 'r' },
    };
    expect(() => resolveExpressions(`\${{ ${expression} }}`, scope)).not.toThrow();
  });

  it.each([
    'retry: { attempts: 2, retryOn: [my_code, nonsense, stalled, timeout, exit_code, http_status, 1, 255] }',
    "when: '${{ params.j.k }}'",
    "foreach: { item: n, in: '${{ stages.a.outputs.l.map(x, x) }}' }",
    "params: { i: '${{ params.j }}', y: 1 }, when: '${{ params.i.k == 1 }}'",
  ])('may stand where its type fits, or is not known: %s', (keys) => {
    expect(faultsOf(stage(keys))).toEqual([]);
  });
});
