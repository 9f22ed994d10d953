import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where the peers were put, or in one line why not. */
export type Installed = { readonly path: string } | { readonly missing: string };

const INSTALL_TIMEOUT_MS = 300_000;
const LONGEST_REASON = 160;
const BENCH = join(import.meta.dirname, '..');

/** npm's peers, at the versions that bench/package.json pins; answers the directory of their node_modules. */
export function installNpmPeers(directory: string): Installed {
  copyFileSync(join(BENCH, 'package.json'), join(directory, 'package.json'));
  const reason = failure('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], directory);
  return reason === undefined ? { path: directory } : { missing: reason };
}

/** pip's peers in an environment of their own; answers its Python. */
export function installPipPeers(directory: string): Installed {
  const python = join(directory, 'venv', 'bin', 'python');
  const requirements = join(BENCH, 'peers', 'requirements.txt');
  const reason =
    failure('python3', ['-m', 'venv', join(directory, 'venv')], directory) ??
    failure(python, ['-m', 'pip', 'install', '--quiet', '-r', requirements], directory);
  return reason === undefined ? { path: python } : { missing: reason };
}

/** Debian's redis-server; one that is there already is used as it is. */
export function installRedis(directory: string): Installed {
  const program = 'redis-server';
  if (spawnSync(program, ['--version']).status === 0) return { path: program };
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    return { missing: 'there is no redis-server; on Debian: apt-get install redis-server' };
  }
  // The first fails where there is no network; then the second says so.
  failure('apt-get', ['update', '-qq'], directory);
  const arguments_ = ['install', '-y', '-qq', '--no-install-recommends', program];
  const reason = failure('apt-get', arguments_, directory);
  return reason === undefined ? { path: program } : { missing: reason };
}

/** Version of a program, from the first number with dots in what it says about itself. */
export function versionOf(program: string, ...args: string[]): string {
  const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return stdout?.match(/\d+(?:\.\d+)+/)?.[0] ?? 'unknown';
}

function failure(program: string, args: readonly string[], directory: string): string | undefined {
  const { status, signal, error, stderr } = spawnSync(program, args, {
    cwd: directory,
    encoding: 'utf8',
    timeout: INSTALL_TIMEOUT_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status === 0) return undefined;
  if (signal !== null) return `${program} ${args[0]} took over ${INSTALL_TIMEOUT_MS / 1000} s`;
  const last = stderr?.trim().split('\n').at(-1) ?? '';
  return `${program} ${args.join(' ')}: ${error?.message ?? last}`.slice(0, LONGEST_REASON);
}
