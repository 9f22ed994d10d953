import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Runs every benchmark, or those named, in a process of its own, so that none warms up or slows down another.
 * `durable` installs other systems and takes ten minutes, so it is run only when it is named.
 *
 *   npm run bench -- [engine] [stages] [ingest] [streams] [durable] [--rounds N] [--quick]
 */
const USUAL = ['engine', 'stages', 'ingest'];
const BENCHMARKS = [...USUAL, 'streams', 'durable', 'datasets'];

const args = process.argv.slice(2);
const named = args.filter((argument) => BENCHMARKS.includes(argument));
const options = args.filter((argument) => !BENCHMARKS.includes(argument));
for (const name of named.length > 0 ? named : USUAL) {
  const file = `${name}.ts`;
  process.stdout.write(`\n# ${file}\n`);
  const run = spawnSync(process.execPath, [join(import.meta.dirname, file), ...options], {
    stdio: 'inherit',
  });
  if (run.status !== 0) process.exitCode = 1;
}
