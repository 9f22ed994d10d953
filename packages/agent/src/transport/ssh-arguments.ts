import type { ResolvedSshTarget } from './ssh-target.ts';

/** Paths of helper scripts for ssh, and of the socket of one connection. */
export interface SshPaths {
  readonly socket: string;
  readonly pinScript: string;
}

/**
 * Arguments for the connection that all sessions share. Where we need something of ssh it stands here and wins
 * over ssh_config; everything else is the user's: names, keys, agents, certificates, jump hosts.
 */
export function masterArguments(target: ResolvedSshTarget, paths: SshPaths, command: string): string[] {
  const usesAskpass = target.password !== undefined || target.passphrase !== undefined;
  const options: Record<string, string> = {
    // A prompt nobody sees would wait for ever; with askpass nobody is prompted either.
    BatchMode: usesAskpass ? 'no' : 'yes',
    ...(usesAskpass ? { NumberOfPasswordPrompts: '1' } : {}),
    ControlMaster: 'yes',
    ControlPath: paths.socket,
    // It ends with the agent: its own session reads from a pipe of the agent.
    ControlPersist: 'no',
    ConnectTimeout: String(Math.max(1, Math.ceil(target.connectTimeoutMs / 1000))),
    ConnectionAttempts: '1',
    ServerAliveInterval: '10',
    ServerAliveCountMax: '3',
    ...hostKeyOptions(target, paths),
    // Of the user's own sessions, and a hindrance to ours.
    ClearAllForwardings: 'yes',
    RemoteCommand: 'none',
    RequestTTY: 'no',
    PermitLocalCommand: 'no',
    ForwardX11: 'no',
    LogLevel: 'ERROR',
  };
  const jump = target.proxyJump === undefined ? [] : ['-J', target.proxyJump];
  const port = target.port === undefined ? [] : ['-p', String(target.port)];
  const user = target.user === undefined ? [] : ['-l', target.user];
  const identity =
    target.identityFile === undefined ? [] : ['-i', target.identityFile, '-o', 'IdentitiesOnly=yes'];
  return [
    ...configArguments(target),
    ...optionArguments(options),
    ...jump,
    ...port,
    ...user,
    ...identity,
    '-T',
    '--',
    target.host,
    command,
  ];
}

/**
 * Arguments for a session over the shared connection. It never connects by itself: a client that finds its socket
 * dead would quietly log in anew, for which sites have blocked accounts.
 */
export function sessionArguments(target: ResolvedSshTarget, socket: string, command: string): string[] {
  const options = {
    BatchMode: 'yes',
    ControlMaster: 'no',
    ControlPath: socket,
    ProxyCommand: 'false',
    LogLevel: 'ERROR',
  };
  return ['-F', 'none', ...optionArguments(options), '-T', '--', target.host, command];
}

/** Arguments that ask the shared connection whether it lives. */
export function checkArguments(target: ResolvedSshTarget, socket: string): string[] {
  return ['-F', 'none', ...optionArguments({ ControlPath: socket }), '-O', 'check', '--', target.host];
}

/** The key of a host is always checked: against the one that is pinned, else against known_hosts. */
function hostKeyOptions({ hostKey }: ResolvedSshTarget, paths: SshPaths): Record<string, string> {
  if (hostKey === undefined) return { StrictHostKeyChecking: 'yes' };
  return {
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: 'none',
    GlobalKnownHostsFile: 'none',
    VerifyHostKeyDNS: 'no',
    UpdateHostKeys: 'no',
    KnownHostsCommand: `/bin/sh ${paths.pinScript} ${hostKey} %f %H %t %K`,
  };
}

function configArguments({ configFile }: ResolvedSshTarget): string[] {
  return configFile === undefined ? [] : ['-F', configFile];
}

function optionArguments(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Prints the line of known_hosts that ssh asks for, if the key is the pinned one. */
export const PIN_SCRIPT = '[ "$1" = "$2" ] && printf "%s %s %s\\n" "$3" "$4" "$5"\nexit 0\n';

/** Answers ssh's questions for a password or passphrase, and no other, from its environment. */
export const ASKPASS_SCRIPT = `#!/bin/sh
case $1 in
*assphrase*) [ -n "\${TRAINYARD_SSH_PASSPHRASE+x}" ] && printf '%s\\n' "$TRAINYARD_SSH_PASSPHRASE" ;;
*assword*) [ -n "\${TRAINYARD_SSH_PASSWORD+x}" ] && printf '%s\\n' "$TRAINYARD_SSH_PASSWORD" ;;
*) exit 1 ;;
esac
`;
