import { z } from 'zod';
import { attemptTarget, reportedOutcome, runError } from './api.ts';
import { attemptCache, reportedCache } from './attempt-cache.ts';
import { attemptFailure } from './attempt-failure.ts';
import { reportedDataset } from './dataset-record.ts';
import { stopSignal } from './definition/agent-program.ts';
import { failurePattern } from './definition/failure-patterns.ts';
import { MAX_CHECKPOINTS_PER_ATTEMPT, reportedCheckpoint } from './model-checkpoints.ts';
import { outOfServiceSlot } from './out-of-service.ts';
import { pauseMode, resumePoint } from './pause.ts';
import { paramAnswer, paramUpdate } from './program-reports.ts';
import { secretPlace } from './secrets.ts';
import { slurmRequest } from './slurm-request.ts';
import { machineTelemetry } from './telemetry.ts';

/** Numbers of the agent protocol. */
export const AGENT_PROTOCOL = {
  leaseMs: 60_000,
  heartbeatMs: 20_000,
  /** Added to the lease before an attempt counts as lost: the agent ends its job within this time. */
  lostGraceMs: 15_000,
  /** Longest a claim call waits at the server. */
  maxClaimWaitMs: 25_000,
  /** New attempts after infrastructure losses, per run. */
  lostBudget: 3,
  /** Bytes of one append. */
  maxAppendBytes: 2 * 1024 * 1024,
} as const;

/** `system` holds what the agent sees of the machine, in lines of the same form as `metrics`. */
export const streamName = z.enum(['log', 'metrics', 'system']);
export type StreamName = z.infer<typeof streamName>;

/** Whether points are built from the lines of a stream. */
export function isMetricStream(stream: StreamName): boolean {
  return stream !== 'log';
}

export const registerAgent = z.strictObject({
  /** Id from an earlier registration; kept by the agent in its data directory. */
  agentId: z.string().optional(),
  name: z.string().min(1).max(200),
  hostname: z.string().max(255),
  version: z.string().max(100),
  bootId: z.string().max(200),
  slots: z.int().min(1).max(10_000),
  gpus: z.int().min(0).max(1024),
  queues: z.array(z.string().min(1).max(100)).min(1).max(100),
  labels: z.record(z.string().max(100), z.string().max(200)).default({}),
});
export type RegisterAgent = z.input<typeof registerAgent>;
export const registeredAgent = z.object({ agentId: z.string(), leaseMs: z.int(), heartbeatMs: z.int() });
export type RegisteredAgent = z.infer<typeof registeredAgent>;

/** An attempt that the agent holds, and whether it knows already that it is to be cancelled. */
export const heldAttempt = z.strictObject({
  attemptId: z.string(),
  epoch: z.int(),
  cancelling: z.boolean(),
  /** How it was asked to halt; left out while it is to run. */
  pausing: pauseMode.optional(),
  /** The newest change of its params that the agent has; 0: none. Older agents say nothing, and get none. */
  paramsRevision: z.int().min(0).optional(),
  /** For how long the agent cannot reach the machine that it runs on; left out when it can. */
  unreachableForMs: z.int().min(0).optional(),
});
export type HeldAttempt = z.infer<typeof heldAttempt>;

/** Programs that the agent brings along, each the work of one stage kind. */
export const BUILTIN_PROGRAMS = ['http', 'function', 'preprocess_dataset', 'cleanup_checkpoints'] as const;
export type BuiltinProgram = (typeof BUILTIN_PROGRAMS)[number];

/** What to run: written to the attempt directory as spec.json, token left out. */
export const attemptSpec = z.object({
  attemptId: z.string(),
  runId: z.string(),
  rootId: z.string(),
  /** The pipeline, or the item of a foreach, that the stage is in. */
  parentId: z.string().default(''),
  /** Path of the stage, for example "sweep/large". */
  stage: z.string(),
  number: z.int(),
  epoch: z.int(),
  executor: z.string(),
  /** A list is executed as is; a string by `sh -c`. */
  command: z.union([z.string(), z.array(z.string())]),
  /** Absolute, or relative to the agent's working directory. */
  workingDir: z.string(),
  env: z.record(z.string(), z.string()),
  /** Secrets whose values belong into `env`, each where its placeholder stands. */
  secrets: z.array(secretPlace).default([]),
  params: z.record(z.string(), z.unknown()),
  /** Files that have to be there when the program has ended well, by the name of their output. */
  artifacts: z.record(z.string(), z.string()).default({}),
  gpus: z.int(),
  /** The queue that it was taken from. */
  queue: z.string().default('default'),
  graceMs: z.int(),
  /** For executors on other machines; left out where there is nothing to say. */
  remote: z
    .object({
      /** Directory of the host to run in. Without it the working directory is sent there. */
      dir: z.string().optional(),
      condaEnv: z.string().optional(),
      slurm: slurmRequest.optional(),
    })
    .optional(),
  /** The polite signal that ends it; TERM unless given. */
  stopSignal: stopSignal.optional(),
  /** Without output, metrics or progress for so long it counts as hung. */
  stallMs: z.int().optional(),
  /** What is looked for in its log when it fails, the first that is found counts. */
  failures: z.array(failurePattern).optional(),
  /** The program is to find a token of its own in its environment. */
  jobToken: z.boolean().optional(),
  /** The server reads metrics from its log. */
  metricsFromLog: z.boolean().optional(),
  /** The checkpoint that it goes on from, of an attempt that gave its slot back, or whose place was taken from it. */
  resumeFrom: resumePoint.optional(),
  /** Its result may be known, or be used later: that depends on files which only the agent can read. */
  cache: attemptCache.optional(),
  /** Instead of `command`: a program of the agent's own, and what it is to do. */
  builtin: z
    .object({ program: z.enum(BUILTIN_PROGRAMS), input: z.record(z.string(), z.unknown()) })
    .optional(),
  /** The training job that it belongs to: its checkpoints are recorded there. */
  training: z
    .object({
      jobId: z.string(),
      /** Path of the checkpoint that takes the numbers of the outputs as metrics. */
      evaluates: z.string().optional(),
      /** Its checkpoints have a policy, which is applied when the program has ended. */
      retention: z.boolean().optional(),
      /** Where files may be deleted beside the attempt directories; absolute. */
      checkpointDir: z.string().optional(),
    })
    .optional(),
});
export type AttemptSpec = z.infer<typeof attemptSpec>;

export const claimWork = z.strictObject({
  /** New for each claim, the same for a repeat after a lost answer: the repeat gets the same attempts. */
  requestId: z.string().min(8).max(100),
  /** Of the agent's other calls that wait: what was assigned to them may not have reached it yet. */
  openRequests: z.array(z.string().max(100)).max(100).optional(),
  free: z.int().min(0).max(1000),
  freeGpus: z.int().min(0).max(1024),
  /** Only work of these queues; left out: of all that the agent has registered for. */
  queues: z.array(z.string().min(1).max(100)).max(100).optional(),
  held: z.array(heldAttempt).max(10_000),
  waitMs: z.int().min(0).max(AGENT_PROTOCOL.maxClaimWaitMs),
});
export type ClaimWork = z.input<typeof claimWork>;

/** Code of an attempt that was handed out and never reached its agent: nothing of it has run. */
export const NEVER_DELIVERED = 'never_delivered';

export const assignment = z.object({ spec: attemptSpec, token: z.string(), leaseMs: z.int() });
export type Assignment = z.infer<typeof assignment>;

/**
 * `cancel`: end it with grace and report. `discard`: it is over or fenced; kill it, report nothing. `pause`: halt
 * it in the `mode` given; `resume`: let it go on. `update_params`: tell its program of the changed params.
 */
export const agentCommand = z.object({
  attemptId: z.string(),
  epoch: z.int(),
  action: z.enum(['cancel', 'discard', 'pause', 'resume', 'update_params']),
  mode: pauseMode.optional(),
  update: paramUpdate.optional(),
});
export type AgentCommand = z.infer<typeof agentCommand>;

export const claimedWork = z.object({ assignments: z.array(assignment), commands: z.array(agentCommand) });
export type ClaimedWork = z.infer<typeof claimedWork>;

export const heartbeat = z.strictObject({
  held: z.array(heldAttempt).max(10_000),
  telemetry: machineTelemetry.optional(),
  /** Left out: none. */
  outOfService: z.array(outOfServiceSlot).max(1000).optional(),
});
export type Heartbeat = z.input<typeof heartbeat>;
export const heartbeatAnswer = z.object({
  leaseMs: z.int(),
  /** It is to take no more work, and to leave when it has finished what it has. */
  draining: z.boolean().optional(),
  /** Attempts whose lease was renewed. */
  renewed: z.array(z.string()),
  commands: z.array(agentCommand),
});
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;

/** Told by an agent that takes no more work and leaves when it has finished what it has. */
export const agentDraining = z.object({ draining: z.literal(true) });

/** Epoch milliseconds on a machine whose clock may be wrong; the end of the year 9999 is the last. */
const reportedAt = z.number().min(0).max(253_402_300_799_999);
/** What fits into a column of four bytes. */
const smallInteger = z
  .int()
  .min(-(2 ** 31))
  .max(2 ** 31 - 1);
const reportBase = { attemptId: z.string(), epoch: z.int(), token: z.string().max(200) };

/** Reports of attempts; each is authorised by its own attempt token and is idempotent. */
export const report = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('started'),
    ...reportBase,
    pid: smallInteger.optional(),
    at: reportedAt,
    target: attemptTarget.optional(),
  }),
  z.strictObject({ kind: z.literal('progress'), ...reportBase, progress: z.record(z.string(), z.unknown()) }),
  z.strictObject({
    kind: z.literal('paused'),
    ...reportBase,
    at: reportedAt,
    /** How it is halted, which may be another way than was asked for. */
    mode: pauseMode,
    note: z.string().max(1000).optional(),
  }),
  z.strictObject({ kind: z.literal('resumed'), ...reportBase, at: reportedAt }),
  /** What the program has made of changed params. */
  z.strictObject({ kind: z.literal('params'), ...reportBase, answer: paramAnswer }),
  z.strictObject({
    kind: z.literal('finished'),
    ...reportBase,
    at: reportedAt,
    outcome: reportedOutcome,
    exitCode: smallInteger.nullable(),
    signal: z.string().max(20).nullable(),
    error: runError.nullable(),
    outputs: z.record(z.string(), z.unknown()).nullable(),
    datasets: z.array(reportedDataset).max(1000).default([]),
    checkpoints: z.array(reportedCheckpoint).max(MAX_CHECKPOINTS_PER_ATTEMPT).default([]),
    cleanupError: z.string().max(10_000).nullable(),
    /** Of one that failed: what kind of failure it was. */
    failure: attemptFailure.optional(),
    /** Of a released attempt, and of one whose time or nodes were taken from it: what the next one goes on from. */
    checkpoint: resumePoint.optional(),
    /** Of an attempt with `cache` in its spec that has completed. */
    cache: reportedCache.optional(),
    /** Bytes that could not be delivered before the flush deadline, by stream. */
    undeliveredBytes: z.partialRecord(streamName, z.int()).default({}),
  }),
]);
export type Report = z.input<typeof report>;
export const reports = z.strictObject({
  reports: z.array(report).min(1).max(1000),
  /** By the agent's clock, when it sends this: the times of the reports are of the same clock. */
  sentAt: reportedAt.optional(),
});
export const reportResult = z.object({
  attemptId: z.string(),
  ok: z.boolean(),
  /** Set when not ok: ATTEMPT_FENCED, UNAUTHENTICATED, NOT_FOUND or INVALID_REQUEST. */
  code: z.string().optional(),
  message: z.string().optional(),
});
export const reportResults = z.object({ results: z.array(reportResult) });
export type ReportResult = z.infer<typeof reportResult>;

/** Answer of an append: the highest contiguous offset that is stored. */
export const appendAnswer = z.object({ size: z.int() });
export type AppendAnswer = z.infer<typeof appendAnswer>;
