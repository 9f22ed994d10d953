// Runs Vitest and closes with one line that sums over all suites: `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Answers the exit code. `missing` says in words which parts were not to be had. */
export function runTests({ root, bin, projects, args, missing, isCi }) {
  const scratch = mkdtempSync(join(tmpdir(), 'trainyard-tests-'));
  const report = join(scratch, 'report.json');
  const run = spawnSync(
    join(bin, 'node'),
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      ...projects.flatMap((project) => ['--project', project]),
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
  const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
  rmSync(scratch, { recursive: true, force: true });
  const counts = results === undefined ? { passed: 0, failed: 1, skipped: 0 } : countTests(results);
  // A suite that could not even be loaded, or an unhandled error, has no failed test but fails the run.
  if (run.status !== 0 && counts.failed === 0) counts.failed = 1;
  for (const line of missing) process.stdout.write(`skipped: ${line}\n`);
  // Not when tests were chosen by name: then all others count as skipped.
  const isWhole = !args.some((arg) => arg.startsWith('-t') || arg.startsWith('--testNamePattern'));
  const skipped = isWhole ? skippedTests(results) : [];
  for (const title of skipped) process.stdout.write(`skipped: ${title}\n`);
  const isRefused = isCi && skipped.length > 0;
  if (isRefused) process.stdout.write('In CI nothing may be skipped.\n');
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  return counts.failed === 0 && run.status === 0 && !isRefused ? 0 : 1;
}

/** Titles of the tests that did not run; each says in its title or its suite's why. */
function skippedTests(results) {
  return (results?.testResults ?? []).flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status !== 'passed' && test.status !== 'failed')
      .map((test) => test.fullName),
  );
}

function countTests(report) {
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
  };
}
