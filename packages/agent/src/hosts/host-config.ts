import { z } from 'zod';
import type { SshTarget } from '../transport/ssh-target.ts';

/** A password or passphrase: sealed in the file of hosts, or the name of a variable that has it. */
const credential = z.union([
  z.strictObject({ sealed: z.string() }),
  z.strictObject({
    env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of an environment variable'),
  }),
]);
export type HostCredential = z.infer<typeof credential>;

/** A year. */
const MAX_UNWATCHED_SECONDS = 31_536_000;
const seconds = z.number().positive().max(86_400);
const queue = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'not a name of a queue');

/** A machine on which jobs are run over SSH. */
export const hostConfig = z.strictObject({
  /** Name, address, or an alias of ssh_config. */
  host: z.string().min(1).max(255),
  user: z.string().max(100).optional(),
  port: z.int().min(1).max(65_535).optional(),
  identityFile: z.string().max(4096).optional(),
  proxyJump: z.string().max(1000).optional(),
  /** Fingerprint of the key that it must show; without it known_hosts says. */
  hostKey: z.string().max(100).optional(),
  /** Instead of the user's ssh_config. */
  configFile: z.string().max(4096).optional(),
  password: credential.optional(),
  passphrase: credential.optional(),
  /** Where everything of ours is over there. */
  workingDir: z.string().min(1).max(4096).default('~/verl_jobs'),
  /** For jobs that name none. */
  condaEnv: z.string().max(250).optional(),
  slots: z.int().min(1).max(1000).default(1),
  gpus: z.int().min(0).max(1024).default(0),
  queues: z.array(queue).min(1).max(100).default(['default']),
  /** How long its programs may go on when no agent looks at them any more; left out: for ever. */
  unwatchedForSeconds: z.int().min(1).max(MAX_UNWATCHED_SECONDS).optional(),
  connectTimeoutSeconds: seconds.default(30),
  commandTimeoutSeconds: seconds.default(3600),
  maxSessions: z.int().min(1).max(100).default(8),
});
export type HostConfig = z.infer<typeof hostConfig>;

export const HOST_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
export const MAX_HOSTS = 1000;

/** How to log in. @param reveal gives the text of a password or passphrase */
export function sshTargetOf(config: HostConfig, reveal: (credential: HostCredential) => string): SshTarget {
  const { host, user, port, identityFile, proxyJump, hostKey, configFile, maxSessions } = config;
  return {
    ...{ host, user, port, identityFile, proxyJump, hostKey, configFile, maxSessions },
    connectTimeoutMs: config.connectTimeoutSeconds * 1000,
    commandTimeoutMs: config.commandTimeoutSeconds * 1000,
    ...(config.password === undefined ? {} : { password: reveal(config.password) }),
    ...(config.passphrase === undefined ? {} : { passphrase: reveal(config.passphrase) }),
  };
}

/** As it may be shown: nothing that opens anything. */
export function shownHost(config: HostConfig): Record<string, unknown> {
  const hide = (given: HostCredential) => ('env' in given ? given : '***');
  return {
    ...config,
    ...(config.password === undefined ? {} : { password: hide(config.password) }),
    ...(config.passphrase === undefined ? {} : { passphrase: hide(config.passphrase) }),
  };
}
