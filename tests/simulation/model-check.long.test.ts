import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { ModelCheckResult } from './model-check-worker.ts';

const CASES = Number(process.env['MODEL_CHECK_CASES'] ?? 120_000);
/** Set it to the number that a failing run has printed to see the same cases again. */
const SEED = Number(process.env['MODEL_CHECK_SEED'] ?? Date.now() % 2 ** 31);
const THREADS = Math.min(4, availableParallelism());

describe('the planner of DAGs', () => {
  it(`agrees with the reference planner in ${CASES} random runs with crashes`, async () => {
    console.info(`model check: MODEL_CHECK_SEED=${SEED}, ${CASES} cases in ${THREADS} threads`);
    const share = Math.ceil(CASES / THREADS);
    const results = await Promise.all(Array.from({ length: THREADS }, (_, thread) => check(thread, share)));
    expect(results.map(({ report }) => report).filter((report) => report !== null)).toEqual([]);
    expect(results.reduce((sum, { cases }) => sum + cases, 0)).toBeGreaterThanOrEqual(CASES);
  });
});

/** Thread 0 of a run with the same seed does the same, however many there are beside it. */
function check(thread: number, cases: number): Promise<ModelCheckResult> {
  const workerData = { seed: SEED + thread, cases };
  const worker = new Worker(new URL('./model-check-worker.ts', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
