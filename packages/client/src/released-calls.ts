import {
  type ReleasedJob,
  releasedJobsAnswer,
  releasedSteered,
  type SteerReleased,
} from '@trainyard/protocol';
import type { Schema } from './agent-client.ts';

/** Calls of an agent about jobs whose attempts gave their slots back for a pause. */
export interface ReleasedCalls {
  /** How the jobs stand now of at most 1000 attempts of the agent that gave their slots back. */
  releasedJobs(
    agentId: string,
    attemptIds: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly ReleasedJob[]>;
  /** Lets such a job go on, or cancels it. @throws TrainyardError NOT_FOUND, CONFLICT when it is not paused any more */
  steerReleased(
    agentId: string,
    attemptId: string,
    action: SteerReleased['action'],
    signal?: AbortSignal,
  ): Promise<void>;
}

type Call = <T>(
  request: { readonly path: string; readonly json: unknown; readonly signal: AbortSignal | undefined },
  answer: Schema<T>,
) => Promise<T>;

export function releasedCalls(call: Call): ReleasedCalls {
  const path = (agentId: string) => `/api/v1/agents/${encodeURIComponent(agentId)}/released-jobs`;
  return {
    releasedJobs: async (agentId, attemptIds, signal) =>
      (await call({ path: path(agentId), json: { attemptIds }, signal }, releasedJobsAnswer)).items,
    steerReleased: async (agentId, attemptId, action, signal) => {
      const one = `${path(agentId)}/${encodeURIComponent(attemptId)}`;
      await call({ path: one, json: { action }, signal }, releasedSteered);
    },
  };
}
