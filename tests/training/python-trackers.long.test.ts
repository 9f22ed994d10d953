import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { runProgram } from '../support/run-trainyard.ts';
import { PYTHON_PATH } from './python-programs.ts';

const TESTS = resolve(PYTHON_PATH, 'tests');
const SUITES = ['test_tracker_conformance.Mlflow', 'test_tracker_conformance.OverHttp', 'test_journal'];

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform(1);
});
afterAll(() => platform.stop());

it('the trackers that speak to a server pass their suites on this one, and lose nothing while it is away', async () => {
  const { code, stderr } = await runProgram('python3', ['-m', 'unittest', ...SUITES], {
    cwd: TESTS,
    env: {
      PYTHONPATH: `${PYTHON_PATH}:${TESTS}`,
      PYTHONDONTWRITEBYTECODE: '1',
      TRAINYARD_TEST_MLFLOW_URI: platform.url,
    },
  });
  expect(code, stderr).toBe(0);
  expect(stderr).not.toContain('skipped');
});
