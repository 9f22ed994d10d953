import { z } from 'zod';
import { assignment } from '../agent-api.ts';
import { type olderJobStatus, TRAINING_API } from './training-api.ts';

/** The own HTTP routes of an agent, as the older one had them. */

export const executeJob = z.object({
  /** Changes of the job's config, as a JSON merge patch. */
  config: z.record(z.string(), z.unknown()).default({}),
  dataset_path: z.string().max(4096).nullish(),
  /** The job, as the backend calls it. */
  execution_id: z.string().min(1).max(200),
  name: z.string().max(200).nullish(),
  user_id: z.string().max(200).nullish(),
  access_token: z.string().max(10_000).nullish(),
  /** Given by the backend when the job was claimed; nothing is done without. */
  job_token: z.string().min(1).max(200),
});
export type ExecuteJob = z.output<typeof executeJob>;

/** What the agent asks the backend: the job is this agent's from now on. */
export const handOverJob = z.object({
  agent_id: z.string().max(100),
  config: z.record(z.string(), z.unknown()).default({}),
  dataset_path: z.string().max(4096).nullish(),
});
export const jobHandedOver = z.object({ success: z.literal(true), assignment });

export const localLogsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(TRAINING_API.viewLines).default(100),
  offset: z.coerce.number().int().min(0).default(0),
});

/** A job that the agent has, or has had. */
export interface LocalJobStatus {
  readonly job_id: string;
  readonly name: string;
  readonly status: z.infer<typeof olderJobStatus>;
  readonly attempt_id: string;
  readonly pid: number | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly completed_at: string | null;
  readonly exit_code: number | null;
  readonly error: string | null;
}
