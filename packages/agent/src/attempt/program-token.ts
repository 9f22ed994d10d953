import type { AgentClient } from '@trainyard/client';
import type { AttemptSpec } from '@trainyard/protocol';
import { fetchFor } from './attempt-secrets.ts';

/**
 * The spec with a token for its program in the environment, where its stage asks for one, and the address to use it
 * at, unless the stage names another one. Like secrets it is never on this machine's disk.
 * @throws StartError when the server refuses, and the signal's reason when it fires
 */
export async function withProgramToken(
  spec: AttemptSpec,
  options: { readonly client: AgentClient; readonly token: string; readonly signal: AbortSignal },
): Promise<AttemptSpec> {
  if (spec.jobToken !== true) return spec;
  const { client, token, signal } = options;
  const own = await fetchFor('no_job_token', signal, () => client.jobToken(spec.attemptId, token, signal));
  return { ...spec, env: { TRAINYARD_URL: client.url, ...spec.env, TRAINYARD_JOB_TOKEN: own } };
}
