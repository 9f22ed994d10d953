import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { PostgresBinaries } from './binaries.ts';

/**
 * As whom PostgreSQL runs. It refuses to run as root, so root needs one of the two other ways:
 *
 * - `namespace`: in a user namespace, in which root appears as an ordinary user. Outside it stays root, so
 *   files of root in directories closed to others, such as /root, can be used;
 * - `user`: as another user, who must be able to reach the programs and the data.
 */
export interface RunAs {
  readonly kind: 'self' | 'namespace' | 'user';
  /** Words to put before a command. */
  readonly prefix: readonly string[];
  /** Ids to start a command with; empty to keep our own. */
  readonly ids: { readonly uid?: number; readonly gid?: number };
}

export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export const RUN_AS_SELF: RunAs = { kind: 'self', prefix: [], ids: {} };

/** Uid that user namespaces show for everybody they do not know; files of others would look like ours. */
const OVERFLOW_UID = 65534;
const PROBE_TIMEOUT_MS = 20_000;

/** The environment of the programs: nothing of ours, since PG* or LD_LIBRARY_PATH would change them. */
export const PROGRAM_ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
};

/** A user namespace that shows us as a user with an entry in /etc/passwd, which initdb insists on. */
export function runInNamespace(): RunAs {
  const known = systemUsers().find((user) => user.uid > 0 && user.uid < OVERFLOW_UID);
  return { kind: 'namespace', prefix: ['unshare', '--user', `--map-user=${known?.uid ?? 1}`, '--'], ids: {} };
}

export function runAsUser(user: { readonly uid: number; readonly gid: number }): RunAs {
  return { kind: 'user', prefix: [], ids: { uid: user.uid, gid: user.gid } };
}

/** How to run initdb: like the server, except that it cannot run as a user without an entry in passwd. */
export function initdbRunAs(runAs: RunAs): RunAs {
  if (runAs.kind !== 'self') return runAs;
  try {
    userInfo();
    return runAs;
  } catch {
    return runInNamespace();
  }
}

/** Answers whether PostgreSQL would start this way and could write into `directory`. */
export function probe(
  runAs: RunAs,
  binaries: PostgresBinaries,
  directory: string,
): 'usable' | 'refused' | 'programs unreachable' | 'directory unreachable' {
  const script = '"$1" --version || exit 2; test -w "$2" && test -x "$2" || exit 3';
  const [command, ...rest] = [...runAs.prefix, 'sh', '-c', script, 'sh', `${binaries.binDirectory}/postgres`];
  const result = spawnSync(command ?? 'sh', [...rest, directory], {
    ...runAs.ids,
    cwd: '/',
    env: PROGRAM_ENVIRONMENT,
    stdio: 'ignore',
    timeout: PROBE_TIMEOUT_MS,
  });
  if (result.status === 0) return 'usable';
  if (result.status === 2) return 'programs unreachable';
  return result.status === 3 ? 'directory unreachable' : 'refused';
}

/** The users of /etc/passwd; an empty list where there is no such file. */
export function systemUsers(): SystemUser[] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .filter((fields) => fields.length >= 4)
      .map((fields) => ({ name: fields[0] ?? '', uid: Number(fields[2]), gid: Number(fields[3]) }));
  } catch {
    return [];
  }
}
