import { insertFacts } from '../../attempts/claim.ts';
import type { ServerContext } from '../../server-context.ts';
import type { LocalJob } from './local-jobs.ts';

/** Puts a wish about a job into the inbox of its tree, whose owner acts on it. */
export async function tellTree(
  { database, bus }: Pick<ServerContext, 'database' | 'bus'>,
  job: Pick<LocalJob, 'rootId' | 'node'>,
  fact: Readonly<Record<string, unknown>>,
): Promise<void> {
  const event = { node: job.node, at: Date.now(), ...fact };
  await insertFacts(database.kysely, [{ root_id: job.rootId, event }]);
  bus.emit('inbox');
}
