import { randomUUID } from 'node:crypto';
import { TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { repeatWhenServerEnds } from '../connection.ts';
import { idOrNewest } from '../find-run.ts';
import { dryRun } from './dry-run.ts';
import { runAndWatch } from './run.ts';

export interface RetryOptions {
  readonly stage?: readonly string[];
  readonly all?: boolean;
  readonly param?: Readonly<Record<string, string>>;
  /** False with --no-cache. */
  readonly cache?: boolean;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
  readonly waitForApproval?: boolean;
}

/** Starts a run that does an ended one again and, unless detached, shows it until its end. */
export async function retryCommand(
  context: CliContext,
  id: string | undefined,
  options: RetryOptions,
): Promise<number> {
  const { stage, all = false, param = {} } = options;
  if (all && stage !== undefined) {
    throw new TrainyardError('USAGE', '--all runs every stage again; leave --stage out.');
  }
  const noCache = options.cache === false;
  const body = { all, params: param, noCache, ...(stage === undefined ? {} : { stages: [...stage] }) };
  if (options.dryRun) {
    return dryRun(context, async (client) => client.planRetry(await idOrNewest(client, id), body));
  }
  const idempotencyKey = randomUUID();
  return runAndWatch(context, options, async (connection) => {
    const earlier = await idOrNewest(connection.client, id);
    const { id: started } = await repeatWhenServerEnds(connection, () =>
      connection.client.retryRun(earlier, body, { idempotencyKey }),
    );
    return started;
  });
}
