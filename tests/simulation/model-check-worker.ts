import { parentPort, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { checkCase } from '../../packages/dag/src/testing/model-check.testsuite.ts';
import { randomCase } from '../../packages/dag/src/testing/random-case.testsuite.ts';

/** What one of several threads has found; `report` is null when all its cases agree. */
export interface ModelCheckResult {
  readonly cases: number;
  readonly report: string | null;
}

const { seed, cases } = workerData as { readonly seed: number; readonly cases: number };
const details = fc.check(fc.property(randomCase, checkCase), { seed, numRuns: cases });
const { failed, numRuns, numShrinks, counterexample, errorInstance } = details;
const report = failed
  ? `after ${numRuns} cases and ${numShrinks} shrinks: ${String(errorInstance)}\n${JSON.stringify(counterexample, null, 1)}`
  : null;
parentPort!.postMessage({ cases: numRuns, report } satisfies ModelCheckResult);
