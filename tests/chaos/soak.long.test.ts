import { expect, it } from 'vitest';
import { soak } from './soak/soak.ts';

const JOBS = 100;
const AGENTS = 3;
const LIMIT_MS = 900_000;
/** Bounds the time that the test takes where everything is slow. */
const FAULTS_FOR_MS = 100_000;

it(`ends ${JOBS} jobs once each and loses nothing while all parts are killed at random`, async () => {
  // Another one each time; `npm run soak -- --jobs 100 --seed N` does the same again.
  const seed = Math.floor(Math.random() * 2 ** 31);
  const lines: string[] = [`seed ${seed}`];
  const say = (line: string) => lines.push(line);
  const result = await soak({
    jobs: JOBS,
    agents: AGENTS,
    seed,
    limitMs: LIMIT_MS,
    faultsForMs: FAULTS_FOR_MS,
    say,
    keepsWrong: true,
  });
  expect({ wrong: result.wrong, jobs: result.jobs }, lines.join('\n')).toEqual({ wrong: [], jobs: JOBS });
  // Each kind of fault was done to something.
  expect(Object.keys(result.faults).length, lines.join('\n')).toBeGreaterThanOrEqual(7);
});
