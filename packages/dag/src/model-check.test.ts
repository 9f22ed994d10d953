import fc from 'fast-check';
import { describe, it } from 'vitest';
import { checkCase } from './testing/model-check.testsuite.ts';
import { randomCase } from './testing/random-case.testsuite.ts';

describe('the planner', () => {
  it('does what the reference planner does, through crashes, losses, cancels and repeated events', () => {
    fc.assert(fc.property(randomCase, checkCase), { numRuns: 1_000 });
  });
});
