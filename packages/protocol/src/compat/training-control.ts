import { z } from 'zod';
import { olderJobStatus } from './training-api.ts';
import { jobParamUpdate } from './training-params.ts';

/** What a person asks of a job by the older training API, and what is answered. */

const nullableNumber = z.number().nullable();
/** A number, or the name of one that JSON does not have. */
const metricValue = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]).nullable();

export const jobStatusView = z.object({
  job_id: z.string(),
  run_id: z.string(),
  name: z.string(),
  status: olderJobStatus,
  created_at: z.iso.datetime(),
  started_at: z.iso.datetime().nullable(),
  completed_at: z.iso.datetime().nullable(),
  progress_percent: nullableNumber,
  current_step: nullableNumber,
  total_steps: nullableNumber,
  current_epoch: nullableNumber,
  total_epochs: nullableNumber,
  train_loss: metricValue,
  eval_loss: metricValue,
  learning_rate: metricValue,
  grad_norm: metricValue,
  train_perplexity: nullableNumber,
  eval_perplexity: nullableNumber,
  best: z.object({
    /** The series that is judged: eval_loss where there is one. */
    metric: z.string().nullable(),
    loss: nullableNumber,
    step: nullableNumber,
    epoch: nullableNumber,
    checkpoint_path: z.string().nullable(),
  }),
  loss_trend: z.enum(['improving', 'degrading', 'stable']).nullable(),
  epochs_without_improvement: nullableNumber,
  gpu: z.object({
    memory_allocated_gb: metricValue,
    memory_reserved_gb: metricValue,
    utilization_percent: metricValue,
  }),
  throughput: z.object({ samples_per_second: metricValue, tokens_per_second: metricValue }),
  elapsed_seconds: nullableNumber,
  remaining_seconds: nullableNumber,
  last_report_at: z.iso.datetime().nullable(),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })),
  resumed_from: z.string().nullable(),
  resumed_by: z.array(z.string()),
  checkpoint_path: z.string().nullable(),
  error: z.string().nullable(),
  /** With every default filled in: what the program found as its params, and what it has taken over since. */
  config: z.record(z.string(), z.unknown()),
  /** Changes that were asked for while it runs, the newest first. */
  param_updates: z.array(jobParamUpdate),
});
export type JobStatusView = z.infer<typeof jobStatusView>;

export const resumeJob = z.object({
  checkpoint_path: z.string().min(1).max(4096).nullish(),
  resume_from_best: z.boolean().default(false),
  config_adjustments: z.record(z.string(), z.unknown()).nullish(),
});
export type ResumeJob = z.output<typeof resumeJob>;
export const jobResumed = z.object({
  success: z.literal(true),
  job_id: z.string(),
  run_id: z.string(),
  resumed_from: z.string(),
  checkpoint_path: z.string().nullable(),
});

export const controlJob = z.object({
  action: z.enum(['pause', 'resume', 'cancel']),
  checkpoint_path: z.string().min(1).max(4096).nullish(),
  reason: z.string().max(1000).nullish(),
});
export type ControlJob = z.output<typeof controlJob>;
export const jobControlled = z.object({
  success: z.literal(true),
  job_id: z.string(),
  action: z.string(),
  status: olderJobStatus,
});

/** A checkpoint as the older API lists it. */
export const jobCheckpoint = z.object({
  id: z.string(),
  path: z.string(),
  epoch: nullableNumber,
  step: nullableNumber,
  train_loss: nullableNumber,
  eval_loss: nullableNumber,
  size: z.int(),
  sha256: z.string().nullable(),
  is_best: z.boolean(),
  is_latest: z.boolean(),
  is_pinned: z.boolean(),
  created_at: z.iso.datetime(),
});
export type JobCheckpoint = z.infer<typeof jobCheckpoint>;
export const jobCheckpoints = z.object({ checkpoints: z.array(jobCheckpoint) });

export const jobCheckpointRecorded = z.object({ success: z.literal(true), checkpoint: jobCheckpoint });

export const recordJobCheckpoint = z.object({
  path: z.string().min(1).max(4096),
  epoch: z.number().nullish(),
  step: z.int().min(0).nullish(),
  train_loss: metricValue.optional(),
  eval_loss: metricValue.optional(),
  size: z.int().min(0).default(0),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullish(),
  metrics: z.record(z.string().min(1).max(250), z.unknown()).default({}),
});

export const failureAnalysis = z.object({
  job_id: z.string(),
  status: olderJobStatus,
  /** Null: nothing that is known of was recognised. */
  category: z.string().nullable(),
  summary: z.string(),
  evidence: z.array(z.string()),
  suggestions: z.array(z.string()),
  /** To be given to "resume" as they are. */
  config_adjustments: z.record(z.string(), z.unknown()),
});

export const jobErrors = z.object({
  errors: z.array(
    z.object({
      attempt: z.int(),
      code: z.string(),
      message: z.string(),
      occurred_at: z.iso.datetime().nullable(),
      source: z.enum(['attempt', 'log']),
    }),
  ),
});
