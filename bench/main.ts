import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Runs every benchmark in a process of its own, so that none warms up or slows down another. */
const BENCHMARKS = ['engine.ts', 'stages.ts', 'ingest.ts'];

for (const file of BENCHMARKS) {
  process.stdout.write(`\n# ${file}\n`);
  const run = spawnSync(process.execPath, [join(import.meta.dirname, file), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  if (run.status !== 0) process.exitCode = 1;
}
