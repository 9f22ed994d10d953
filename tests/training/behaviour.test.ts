import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BehaviourCase, Outcome, Program, ScriptedCallback, Step, Told } from './behaviour-case.ts';
import { CHECKPOINT_CASES } from './checkpoint-cases.ts';
import { LIFECYCLE_CASES } from './lifecycle-cases.ts';
import { METRIC_CASES } from './metric-cases.ts';
import { tellPython } from './python-programs.ts';
import { RESUME_CASES } from './resume-cases.ts';
import {
  attempt,
  batch,
  beginEpoch,
  cancelled,
  endEpoch,
  epoch,
  fail,
  setBatch,
  setEpoch,
  stop,
  stopEpoch,
  track,
} from './steps.ts';
import { tellTypeScript } from './typescript-programs.ts';

const CASES = [...LIFECYCLE_CASES, ...METRIC_CASES, ...CHECKPOINT_CASES, ...RESUME_CASES];
let inPython: readonly Told[];
beforeAll(async () => {
  inPython = await tellPython(CASES.map(({ program }) => program));
});

describe('a training program in TypeScript', () => {
  it.each(CASES)('$title', async ({ program, expected }) => {
    expectTold(await tellTypeScript(program), expected, 'typescript');
  });
});

describe('a training program in Python', () => {
  it.each(CASES.map((each, index) => ({ ...each, index })))('$title', ({ expected, index }) => {
    expectTold(inPython[index]!, expected, 'python');
  });
});

it('any program is told of in the same way in both languages', async () => {
  const programs = fc.sample(anyProgram(), { numRuns: 300, seed: 42 });
  const python = await tellPython(programs);
  for (const [index, program] of programs.entries()) {
    const typescript = await tellTypeScript(program);
    expect(python[index], JSON.stringify(program)).toEqual(JSON.parse(JSON.stringify(typescript)));
  }
});

function expectTold(
  told: Told,
  expected: BehaviourCase['expected'],
  language: 'typescript' | 'python',
): void {
  const { only, calls, warnings, outcome, written, kept, shown } = expected;
  const isAsked = (call: string) => only === undefined || only.some((start) => call.startsWith(start));
  if (calls !== undefined) expect(told.calls.filter(isAsked)).toEqual(calls);
  if (warnings !== undefined) expect(told.warnings).toEqual(warnings);
  if (outcome !== undefined) expect(told.outcome).toEqual(outcomeIn(outcome, language));
  if (written !== undefined) expect(told.written).toEqual(written);
  if (kept !== undefined) expect(told.kept).toMatchObject(kept);
  if (shown !== undefined) expect(told.shown).toEqual(shown);
}

function outcomeIn(
  outcome: NonNullable<BehaviourCase['expected']['outcome']>,
  language: 'typescript' | 'python',
): Outcome {
  return 'python' in outcome ? outcome[language] : outcome;
}

/** Programs that open, fail, stop and misuse levels in any order. */
function anyProgram(): fc.Arbitrary<Program> {
  const number = fc.integer({ min: 0, max: 3 });
  const value = fc.oneof(number, fc.double({ noNaN: false }).map(asValue));
  const { step } = fc.letrec<{ step: Step }>((tie) => {
    const steps = fc.array(tie('step'), { maxLength: 4 });
    const inside = (make: (n: number, ...steps: Step[]) => Step) =>
      fc.tuple(number, steps).map(([n, inner]) => make(n, ...inner));
    return {
      step: fc.oneof(
        { maxDepth: 4, depthSize: 'medium' },
        { weight: 2, arbitrary: value.map((each) => setEpoch('val_loss', each)) },
        { weight: 1, arbitrary: value.map((each) => setBatch('train_loss', each)) },
        { weight: 1, arbitrary: value.map((each) => track('learning_rate', each)) },
        { weight: 1, arbitrary: fc.constantFrom(fail('a'), stop('b'), stopEpoch('c'), endEpoch, cancelled) },
        { weight: 1, arbitrary: number.map(beginEpoch) },
        { weight: 5, arbitrary: inside(epoch) },
        { weight: 4, arbitrary: inside(batch) },
        { weight: 3, arbitrary: steps.map((inner) => attempt(...inner)) },
      ),
    };
  });
  const on = fc.constantFrom<ScriptedCallback['on']>(
    'onRunStart',
    'onEpochStart',
    'onBatchStart',
    'onBatchEnd',
    'onEpochEnd',
    'onException',
    'onRunEnd',
  );
  const does = fc.constantFrom<ScriptedCallback['does']>(
    'throws',
    'answers false',
    'stops',
    'stops the epoch',
  );
  const callback = fc.record({ on, n: number, does, isLast: fc.boolean() });
  return fc.record({
    callbacks: fc
      .array(callback, { maxLength: 2 })
      .map((each) => each.map((script, index) => ({ ...script, name: `c${index}` }))),
    steps: fc.array(step, { maxLength: 6 }),
  });
}

function asValue(value: number) {
  if (Number.isFinite(value)) return Object.is(value, -0) ? 0 : value;
  return { number: String(value) as 'NaN' };
}
