// `npm run soak`: the soak on its own, as long as wanted. Prints the seed, by which it can be done again.
import { parseArgs } from 'node:util';
import { soak } from './soak.ts';

const USAGE =
  'usage: npm run soak -- [--jobs 500] [--agents 3] [--seed N] [--limit SECONDS] [--faults SECONDS]';
const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '500' },
    agents: { type: 'string', default: '3' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    limit: { type: 'string', default: '3600' },
    faults: { type: 'string', default: '3600' },
  },
});
const say = (line: string) => process.stderr.write(`soak: ${line}\n`);
const [jobs, agents, seed, limit, faults] = [
  values.jobs,
  values.agents,
  values.seed,
  values.limit,
  values.faults,
].map(Number);
if (
  ![jobs, agents, limit, faults].every((count) => Number.isInteger(count) && count! > 0) ||
  !Number.isInteger(seed)
) {
  say(USAGE);
  process.exit(2);
}
say(
  `${jobs} jobs on ${agents} agents; again with: npm run soak -- --jobs ${jobs} --agents ${agents} --seed ${seed}`,
);
const result = await soak({
  jobs: jobs!,
  agents: agents!,
  seed: seed!,
  limitMs: limit! * 1000,
  faultsForMs: faults! * 1000,
  say,
  keepsWrong: true,
});
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
process.exitCode = result.wrong.length === 0 ? 0 : 1;
