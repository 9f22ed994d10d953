import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TIMEOUT_MS = 900_000;

/** A Python that has these packages from PyPI, of an environment that is made once a machine. `name` is for people. */
export function pythonWith(
  name: string,
  packages: readonly string[],
  options: readonly string[] = [],
): string {
  const key = createHash('sha256')
    .update(JSON.stringify([packages, options]))
    .digest('hex')
    .slice(0, 12);
  const directory = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), `trainyard-python-${name}-${key}`);
  const python = join(directory, 'bin', 'python');
  if (existsSync(python)) return python;
  const making = `${directory}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  const run: ExecFileSyncOptions = { stdio: ['ignore', 'ignore', 'inherit'], timeout: TIMEOUT_MS };
  try {
    execFileSync('python3', ['-m', 'venv', making], run);
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...options];
    execFileSync(join(making, 'bin', 'python'), [...install, ...packages], run);
    // Python finds its environment by where it is, so it may be moved; another run may have been faster.
    if (!existsSync(python)) renameSync(making, directory);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return python;
}
