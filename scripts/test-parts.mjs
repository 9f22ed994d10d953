// What tests need beyond npm. Installed through apt-get where that is possible; elsewhere the suites that
// need a part are skipped and the reason is shown at the end. In CI a missing part is a failure.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

/** Each part: how to see that it is there, and the Debian package that brings it. */
const PARTS = [
  {
    name: 'PostgreSQL 15 server',
    apt: 'postgresql-15',
    isThere: () => existsSync('/usr/lib/postgresql/15/bin/postgres'),
    suites: 'store suites on PostgreSQL 15',
  },
  {
    name: 'Chromium',
    apt: 'chromium',
    isThere: () => existsSync('/usr/bin/chromium'),
    suites: 'browser suites',
  },
  {
    name: 'Python 3',
    apt: 'python3',
    isThere: () => spawnSync('python3', ['--version']).status === 0,
    suites: 'Python training suites',
  },
  {
    name: 'venv of Python 3',
    apt: 'python3-venv',
    isThere: () => spawnSync('python3', ['-c', 'import ensurepip, venv']).status === 0,
    suites: "the suite that reads event files by TensorBoard's own reader",
  },
  {
    name: 'OpenSSH server',
    apt: 'openssh-server',
    isThere: () => existsSync('/usr/sbin/sshd'),
    suites: 'SSH suites',
  },
  {
    name: 'OpenSSH client',
    apt: 'openssh-client',
    isThere: () => existsSync('/usr/bin/ssh'),
    suites: 'SSH suites',
  },
  {
    name: 'rsync',
    apt: 'rsync',
    isThere: () => existsSync('/usr/bin/rsync'),
    suites: 'suites that upload code by rsync',
  },
  {
    name: 'Slurm',
    apt: 'slurm-wlm',
    isThere: () => existsSync('/usr/sbin/slurmctld') && existsSync('/usr/bin/sbatch'),
    suites: 'Slurm suites',
  },
  {
    name: 'MUNGE',
    apt: 'munge',
    isThere: () => existsSync('/usr/sbin/munged'),
    suites: 'Slurm suites',
  },
];

/** Installs what is missing; answers one line for each part that is still missing. */
export function installTestParts(isCi) {
  const wanted = PARTS.filter((part) => !part.isThere());
  if (wanted.length === 0) return [];
  const reason = whyNotApt();
  if (reason === undefined) {
    process.stderr.write(
      `trainyard: installing ${wanted.map((part) => part.name).join(', ')} for the tests …\n`,
    );
    apt(['update', '-qq']);
    // Debian would start a cluster of its own on install; the tests start theirs.
    withoutStartOfServices(() =>
      apt(['install', '-y', '-qq', '--no-install-recommends', ...wanted.map((part) => part.apt)]),
    );
  }
  const missing = wanted.filter((part) => !part.isThere());
  const lines = missing.map(
    (part) => `${part.name} is missing (${reason ?? 'apt-get could not install it'}): ${part.suites}`,
  );
  if (isCi && lines.length > 0) {
    process.stderr.write(`${lines.join('\n')}\ntrainyard: in CI nothing may be skipped.\n`);
    process.exit(1);
  }
  return lines;
}

/** Debian starts what it installs; nobody who runs tests asks for an SSH server on their machine. */
function withoutStartOfServices(work) {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return work();
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return work();
  } finally {
    rmSync(policy, { force: true });
  }
}

function whyNotApt() {
  if (process.platform !== 'linux' || spawnSync('apt-get', ['--version']).status !== 0)
    return 'there is no apt-get';
  if (process.getuid?.() !== 0) return 'not root, so apt-get may not be used';
  return undefined;
}

function apt(args) {
  spawnSync('apt-get', args, {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', PG_CLUSTER_CONF_ROOT: '/nonexistent' },
  });
}
