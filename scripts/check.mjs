// Everything that is judged without running the product: types, lint, format, architecture, unused
// exports, licences. Runs all of them and fails if one does.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const CHECKS = [
  ['types', ['tsc', '-p', 'tsconfig.json']],
  ['types of the web page', ['tsc', '-p', 'packages/web/tsconfig.json']],
  ['types of its tests', ['tsc', '-p', 'packages/web/tsconfig.test.json']],
  ['lint and format', ['biome', 'check', '--error-on-warnings', '.']],
  ['architecture', ['vitest', 'run', '--project', 'fast', 'tests/architecture.test.ts', '--reporter=dot']],
  ['unused exports and dependencies', ['knip']],
  ['licences', ['node', 'scripts/licences.mjs']],
];

let failed = 0;
for (const [name, [program, ...args]] of CHECKS) {
  const started = performance.now();
  const run = spawnSync(join(root, 'node_modules', '.bin', program), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${run.status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)\n`);
  if (run.status === 0) continue;
  failed += 1;
  process.stdout.write(`${run.stdout}${run.stderr}\n`);
}
process.exitCode = failed === 0 ? 0 : 1;
