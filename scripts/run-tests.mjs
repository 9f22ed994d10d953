// Runs Vitest and closes with one line that sums over all suites: `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Answers the exit code. `missing` says in words which parts were not to be had. */
export function runTests({ root, bin, project, args, missing }) {
  const scratch = mkdtempSync(join(tmpdir(), 'trainyard-tests-'));
  const report = join(scratch, 'report.json');
  const run = spawnSync(
    join(bin, 'node'),
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile=${report}`,
      ...args,
    ],
    {
      cwd: root,
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const counts = existsSync(report)
    ? countTests(JSON.parse(readFileSync(report, 'utf8')))
    : { passed: 0, failed: 1, skipped: 0 };
  rmSync(scratch, { recursive: true, force: true });
  // A suite that could not even be loaded, or an unhandled error, has no failed test but fails the run.
  if (run.status !== 0 && counts.failed === 0) counts.failed = 1;
  for (const line of missing) process.stdout.write(`skipped: ${line}\n`);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  return counts.failed === 0 && run.status === 0 ? 0 : 1;
}

function countTests(report) {
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
  };
}
