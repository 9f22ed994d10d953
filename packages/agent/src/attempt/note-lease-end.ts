import { existsSync } from 'node:fs';
import type { AttemptRunnerOptions } from './attempt-runner-options.ts';

/** Whether the program was ended in the place of this agent, which did not when the lease ran out. */
export async function noteLeaseEnd({
  executor,
  files,
  journal,
}: Pick<AttemptRunnerOptions, 'executor' | 'files' | 'journal'>): Promise<void> {
  if (executor?.isLocal === true && existsSync(files.leaseEnded)) await journal.update({ partitioned: true });
}
