import { TRANSPORT_LIMITS } from './transport.ts';

/** Where and how to log in. What is left out is as the user's ssh_config says. */
export interface SshTarget {
  /** Name, address, or an alias of ssh_config. */
  readonly host: string;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
  readonly identityFile?: string | undefined;
  /** Host or hosts to go through, as for `ssh -J`. */
  readonly proxyJump?: string | undefined;
  /** The key that the host must show: its fingerprint (`SHA256:…`). Default: what known_hosts says. */
  readonly hostKey?: string | undefined;
  /** Handed to ssh through SSH_ASKPASS only. */
  readonly password?: string | undefined;
  /** Of the identity file; handed over in the same way. */
  readonly passphrase?: string | undefined;
  /** Used instead of the user's ssh_config. */
  readonly configFile?: string | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly commandTimeoutMs?: number | undefined;
  /** Sessions at the same time over the one connection; sshd allows 10 by default, one of which keeps it open. */
  readonly maxSessions?: number | undefined;
}

export type ResolvedSshTarget = SshTarget &
  Required<{ [K in 'connectTimeoutMs' | 'commandTimeoutMs' | 'maxSessions']: number }>;

/** @throws RangeError naming what cannot be used */
export function resolveSshTarget(target: SshTarget): ResolvedSshTarget {
  refuse('host', target.host, HOST);
  if (target.user !== undefined) refuse('user', target.user, USER);
  if (target.proxyJump !== undefined) refuse('proxyJump', target.proxyJump, JUMP);
  if (target.hostKey !== undefined) refuse('hostKey', target.hostKey, FINGERPRINT);
  const { port } = target;
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new RangeError(`port ${port} of an SSH host is not a number from 1 to 65535`);
  }
  return {
    ...target,
    connectTimeoutMs: target.connectTimeoutMs ?? TRANSPORT_LIMITS.connectTimeoutMs,
    commandTimeoutMs: target.commandTimeoutMs ?? TRANSPORT_LIMITS.commandTimeoutMs,
    maxSessions: target.maxSessions ?? DEFAULT_MAX_SESSIONS,
  };
}

/** For people: `user@host:port` without what is not given. */
export function sshAddress({ user, host, port }: Pick<SshTarget, 'user' | 'host' | 'port'>): string {
  return `${user === undefined ? '' : `${user}@`}${host}${port === undefined ? '' : `:${port}`}`;
}

const DEFAULT_MAX_SESSIONS = 8;
// None begins with "-", which ssh would take for an option.
const HOST = /^[A-Za-z0-9_[:][A-Za-z0-9_.:%[\]-]*$/;
const USER = /^[A-Za-z0-9_.\\][A-Za-z0-9_.@\\$-]*$/;
const JUMP = /^[A-Za-z0-9_[][A-Za-z0-9_.:@,%[\]-]*$/;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

function refuse(name: string, value: string, pattern: RegExp): void {
  if (!pattern.test(value))
    throw new RangeError(`${JSON.stringify(value)} cannot be the ${name} of an SSH host`);
}
