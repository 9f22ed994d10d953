import { secretsOfDefinition } from './definition/index.ts';
import type { Submission } from './orchestrator/submission.ts';
import type { ServerContext } from './server-context.ts';
import { createSecretStore } from './store/secrets.ts';

type Context = Pick<ServerContext, 'database' | 'secrets' | 'orchestrator'>;

/**
 * Submits a run when everything that it needs from this server is there. Nothing is stored otherwise.
 * @throws TrainyardError SECRET_MISSING, and those of `Orchestrator.submit`
 */
export async function submitChecked(
  { database, secrets, orchestrator }: Context,
  submission: Submission,
): Promise<{ rootId: string; isNew: boolean }> {
  await createSecretStore(database, secrets).require(secretsOfDefinition(submission.definition));
  return orchestrator.submit(submission);
}
