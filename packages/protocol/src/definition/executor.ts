import { z } from 'zod';
import { name } from './values.ts';

/** Where on a host a program runs, and on which one. */
export const sshPlace = z.strictObject({
  /** As `trainyard hosts add` has named it. Left out: whichever is free. */
  host: name.optional(),
  /** Directory of the host to run in. Left out: the working directory is sent there, and the job gets a copy. */
  dir: z.string().min(1).max(4096).optional(),
  condaEnv: name.optional(),
});
export type SshPlace = z.infer<typeof sshPlace>;

/** How an agent runs a job: on its own machine, or on another one over SSH. */
export const executor = z.union([z.enum(['local', 'ssh']), z.strictObject({ ssh: sshPlace })]);
export type ExecutorDefinition = z.infer<typeof executor>;

/** What an agent is told of it. */
export interface ExecutorPlace {
  /** `local`, `ssh`, or `ssh:` and the name of a host. */
  readonly executor: string;
  readonly remote?: { readonly dir?: string | undefined; readonly condaEnv?: string | undefined };
}

export function executorPlace(given: ExecutorDefinition): ExecutorPlace {
  if (given === 'local') return { executor: 'local' };
  const { host, dir, condaEnv } = given === 'ssh' ? ({} as SshPlace) : given.ssh;
  const remote = { ...(dir === undefined ? {} : { dir }), ...(condaEnv === undefined ? {} : { condaEnv }) };
  const executor = host === undefined ? 'ssh' : `ssh:${host}`;
  return Object.keys(remote).length === 0 ? { executor } : { executor, remote };
}

/**
 * The queue in which work for an executor waits: that of its name for the agent's own machine, `queue@executor`
 * for others. So only agents take it that have the executor, and none has to look at work that it cannot run.
 */
export function executorQueue(queue: string, executorName: string): string {
  return executorName === 'local' ? queue : `${queue}@${executorName}`;
}
