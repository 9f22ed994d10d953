import { z } from 'zod';

/** Pull mode of the older training API: a worker asks for jobs, claims one, and says that it is alive. */

export const PULL_MODE = { heartbeatSeconds: 30, pollSeconds: 10, maxConcurrency: 64 } as const;

/** What workers call themselves. */
export const workerId = z
  .string()
  .regex(/^agent_[A-Za-z0-9_-]{1,100}$/, 'must be "agent_" and letters, digits, "_" or "-"');

const name = z.string().min(1).max(200);

export const registerWorker = z.object({
  /** Kept by the worker from an earlier registration. */
  agent_id: workerId.nullish(),
  name: name.nullish(),
  hostname: z.string().max(255).default('unknown'),
  platform: z.string().max(200).default('unknown'),
  version: z.string().max(100).default('unknown'),
  max_concurrency: z.int().min(1).max(PULL_MODE.maxConcurrency).default(1),
  /** GPUs that its jobs may ask for; left out: any number. */
  gpu_count: z.int().min(0).max(1024).nullish(),
  queues: z.array(z.string().min(1).max(100)).min(1).max(100).default(['default']),
});
export const workerRegistered = z.object({
  success: z.literal(true),
  worker_id: z.string(),
  heartbeat_interval: z.int(),
  poll_interval: z.int(),
  max_concurrency: z.int(),
});

export const workerHeartbeat = z.object({
  status: z.string().max(50).default('online'),
  current_load: z.number().min(0).nullish(),
  metrics: z.record(z.string(), z.unknown()).nullish(),
  /** Jobs that it works on: their leases are renewed. Left out: all that it has claimed since it registered. */
  active_jobs: z.array(z.string().max(200)).max(1000).nullish(),
});
export const pendingCommand = z.object({
  /** `discard`: the job is not this worker's any more; end it and report nothing. */
  command: z.enum(['cancel', 'pause', 'resume', 'update_params', 'discard']),
  job_id: z.string(),
  /** Of `update_params`: until it is answered, by POST params, it comes with every heartbeat. */
  revision: z.int().optional(),
  params: z.record(z.string(), z.unknown()).optional(),
});
export type PendingCommand = z.infer<typeof pendingCommand>;
export const workerAlive = z.object({
  success: z.literal(true),
  pending_commands: z.array(pendingCommand),
});

/** What a worker is told of a job before it has claimed it: never its token. */
export const pulledJob = z.object({
  job_id: z.string(),
  execution_id: z.string(),
  name: z.string(),
  status: z.literal('pending'),
  /** What the program finds as its params. */
  config: z.record(z.string(), z.unknown()),
  dataset_path: z.string().nullable(),
  /** A list is executed as is; a text by `sh -c`. */
  command: z.union([z.string(), z.array(z.string())]),
  working_dir: z.string(),
  env: z.record(z.string(), z.string()),
  gpus: z.int(),
  created_at: z.iso.datetime(),
});
export type PulledJob = z.infer<typeof pulledJob>;
export const polledJob = z.object({ job: pulledJob.nullable(), message: z.string().optional() });
export const claimedJob = z.object({
  success: z.literal(true),
  job: pulledJob.extend({ status: z.literal('running') }),
  job_token: z.string(),
  lease_seconds: z.int(),
});
