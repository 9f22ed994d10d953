import { resolve } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { pythonWith } from '../support/python-environment.ts';
import { runProgram } from '../support/run-trainyard.ts';
import { PYTHON_PATH } from './python-programs.ts';

let python = '';
beforeAll(() => {
  python = pythonWith('mypy', ['mypy==2.4.1']);
}, 600_000);

it.each(['3.10', '3.14'])('the Python module has strict types for Python %s', async (version) => {
  const args = ['-m', 'mypy', '--python-version', version, '--cache-dir', '/dev/null', 'trainyard'];
  const { code, stdout, stderr } = await runProgram(python, args, { cwd: resolve(PYTHON_PATH) });
  expect(code, stdout + stderr).toBe(0);
});
