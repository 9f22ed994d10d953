import type { RunPlan } from '@trainyard/protocol';
import { secretsOfDefinition } from './definition/index.ts';
import { previewRun } from './orchestrator/preview-run.ts';
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

/** What the run would do; as `submitChecked`, but nothing is stored. */
export async function previewChecked(
  { database, secrets, attempts }: Pick<ServerContext, 'database' | 'secrets' | 'attempts'>,
  submission: Submission,
): Promise<RunPlan> {
  await createSecretStore(database, secrets).require(secretsOfDefinition(submission.definition));
  const agents = await attempts.agents();
  return previewRun(database.kysely, submission, { agents, nowMs: Date.now() });
}
