import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What TensorBoard's reader of event files needs, and no more of TensorBoard than that. */
const PACKAGES = ['tensorboard==2.20.0', 'protobuf==6.31.1', 'numpy==2.2.6', 'absl-py==2.3.1'] as const;
const TIMEOUT_MS = 600_000;

/** A Python that has TensorBoard's own reader, of an environment that is made once a machine. */
export function tensorboardPython(): string {
  const name = `trainyard-${PACKAGES.join('_').replaceAll('==', '-')}`;
  const directory = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), name);
  const python = join(directory, 'bin', 'python');
  if (existsSync(python)) return python;
  const making = `${directory}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  const options: ExecFileSyncOptions = { stdio: ['ignore', 'ignore', 'inherit'], timeout: TIMEOUT_MS };
  try {
    execFileSync('python3', ['-m', 'venv', making], options);
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps'];
    execFileSync(join(making, 'bin', 'python'), [...install, ...PACKAGES], options);
    // Python finds its environment by where it is, so it may be moved; another run may have been faster.
    if (!existsSync(python)) renameSync(making, directory);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return python;
}
