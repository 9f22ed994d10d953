import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import type { Program, Told } from './behaviour-case.ts';

export const PYTHON_PATH = resolve(import.meta.dirname, '../../python');

/** Carries programs out with the classes of the Python module `trainyard`, one after the other in one process. */
export async function tellPython(programs: readonly Program[]): Promise<Told[]> {
  const { promise, resolve: answer, reject } = Promise.withResolvers<string>();
  const child = execFile(
    'python3',
    [resolve(import.meta.dirname, 'python_programs.py')],
    {
      env: { PATH: process.env['PATH'], PYTHONPATH: PYTHON_PATH, PYTHONDONTWRITEBYTECODE: '1' },
      timeout: 60_000,
      maxBuffer: 2 ** 26,
    },
    (error, stdout, stderr) =>
      error === null ? answer(stdout) : reject(new Error(stderr, { cause: error })),
  );
  child.stdin!.end(programs.map((program) => `${JSON.stringify(program)}\n`).join(''));
  const lines = (await promise).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Told);
}
