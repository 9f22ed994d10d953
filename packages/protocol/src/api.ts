import { z } from 'zod';
import { stageDecision } from './approvals-api.ts';
import { attemptFailure, failureClass } from './attempt-failure.ts';
import { ATTEMPT_STATUSES, REPORTED_OUTCOMES } from './attempt-status.ts';
import { cacheBasis } from './cache-api.ts';
import { answeredJson } from './definition/values.ts';
import { outOfServiceSlot } from './out-of-service.ts';
import { idCursor } from './page-cursor.ts';
import { pipelineFiles, pipelineVersionId, usedPipeline } from './pipelines-api.ts';
import { stagePaths } from './reruns-api.ts';
import { runWarning } from './run-plan.ts';
import { RUN_STATUSES } from './run-status.ts';
import { machineTelemetry } from './telemetry.ts';

/** An instant in answers of the API: ISO 8601 in UTC. */
const instant = z.iso.datetime();

export const runKind = z.enum(['pipeline', 'job', 'graph', 'approval', 'external']);
export type RunKind = z.infer<typeof runKind>;

export const runError = z.object({
  code: z.string(),
  message: z.string(),
  /** Path of the stage that failed first, for example "sweep/large". */
  path: z.string().optional(),
  /** What kind of failure it is (`FAILURE_CLASSES`), and what the log told of it. */
  class: failureClass.optional(),
  label: z.string().optional(),
  /** Tries that `retry` had left and that were not made, because another one could not have ended otherwise. */
  triesLeft: z.int().min(1).optional(),
});
export type RunError = z.infer<typeof runError>;

export const run = z.object({
  id: z.string(),
  rootId: z.string(),
  parentId: z.string().nullable(),
  kind: runKind,
  name: z.string(),
  /** Names from the root's stages down, joined by "/"; "" for the root. */
  path: z.string(),
  depth: z.int(),
  /** Position in the definition, depth first; 0 is the root. Items of a foreach follow all others. */
  index: z.int(),
  /** Of an item of a foreach: which one it is, from 0, and its value. */
  item: z.object({ index: z.int(), value: answeredJson }).nullable(),
  status: z.enum(RUN_STATUSES),
  reason: z.string().nullable(),
  error: runError.nullable(),
  params: z.record(z.string(), z.unknown()),
  outputs: z.unknown().nullable(),
  dependsOn: z.array(z.string()),
  attempt: z.int(),
  /** The run that produced the results that this one kept instead of running; left out when it ran itself. */
  keptFrom: z.string().optional(),
  /** The run that had given the result before that this one used from the cache; left out when it ran itself. */
  cachedFrom: z.string().optional(),
  /** Of a cached stage: stands for all that its result depends on. */
  cacheKey: z.string().optional(),
  /** Of an approval that a person, or its timeout, has decided; what was filled in stands in the outputs. */
  decision: stageDecision.optional(),
  /** The root run that this root run does again; left out for all others. */
  rerunOf: z.string().optional(),
  /** The registered pipeline that a root run is of; left out when there is none. */
  pipeline: pipelineVersionId.optional(),
  createdAt: instant,
  queuedAt: instant.nullable(),
  startedAt: instant.nullable(),
  endedAt: instant.nullable(),
});
export type Run = z.infer<typeof run>;

/** A run with the runs of its stages, in the order of the definition. */
export interface RunTree extends Run {
  children: RunTree[];
}
export const runTree: z.ZodType<RunTree> = run.extend({
  get children() {
    return z.array(runTree);
  },
}) as z.ZodType<RunTree>;

export const statusCounts = z.partialRecord(z.enum(RUN_STATUSES), z.int());
export type StatusCounts = z.infer<typeof statusCounts>;

/**
 * A line of the list of root runs: the run without its outputs, which may be megabytes, and how many of its
 * stages (leaves) are in which status.
 */
export const runListItem = run.omit({ outputs: true }).extend({ stages: statusCounts });
export type RunListItem = z.infer<typeof runListItem>;

export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

export const listRunsQuery = z.object({
  status: z.enum(RUN_STATUSES).optional(),
  name: z.string().max(100).optional(),
  /** Only runs of this registered pipeline. */
  pipeline: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: idCursor('run'),
});

/** The answer to a request that starts a run; warnings say what would keep a stage waiting as the server is now. */
export const startedRun = z.object({ id: z.string(), warnings: z.array(runWarning).optional() });
export type StartedRun = z.infer<typeof startedRun>;

export const submitRun = z
  .strictObject({
    /** The pipeline file's text (YAML or JSON). */
    source: z.string().optional(),
    /** Or the definition as JSON; a bare list is a stage list of the older pipelines. */
    definition: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).optional(),
    /** Values for the definition's params. */
    params: z.record(z.string(), z.unknown()).default({}),
    /** Directory that `workingDir` is relative to, on the machine that runs the jobs; absolute. */
    baseDir: z.string().max(4096).optional(),
    /** Shown in messages and on the page, for example "pipeline.yaml". */
    fileName: z.string().max(4096).optional(),
    /** Run only these stages and what they depend on. */
    only: stagePaths.optional(),
    /** A root run that has ended: what had ended well in it, and is still asked for in the same way, is kept. */
    resumeFrom: z.string().max(100).optional(),
    /** Texts of the files that the definition uses (`use: ./train.yaml`), by their path below its directory. */
    files: pipelineFiles.optional(),
    /** What cached stages are judged by; without it only those that need none of it are cached. */
    cacheBasis: cacheBasis.optional(),
    /** Cached stages run all the same; what they give is used by later runs. */
    noCache: z.boolean().default(false),
    /** Answers what the run would do, and stores nothing. */
    dryRun: z.boolean().default(false),
  })
  .refine((body) => (body.source === undefined) !== (body.definition === undefined), {
    message: 'give exactly one of "source" and "definition"',
  });
export type SubmitRun = z.input<typeof submitRun>;

/** The exact definition of a run: that of its tree. */
export const runDefinition = z.object({
  /** As it was written. */
  source: z.string(),
  fileName: z.string().nullable(),
  /** With defaults filled in, and with all that it uses put in. */
  definition: z.unknown(),
  /** The registered pipelines and files that it uses, directly or through others. */
  uses: z.array(usedPipeline),
  /** What is run, as JSON that can be submitted again; null where it is `source`. */
  expanded: z.string().nullable(),
});
export type RunDefinition = z.infer<typeof runDefinition>;

export const cancelRun = z.strictObject({ reason: z.string().max(500).optional() });

export const event = z.object({
  rootId: z.string(),
  /** Counts up by one per event of a root run, from 1: the cursor of the feed. */
  seq: z.int(),
  runId: z.string(),
  path: z.string(),
  type: z.string(),
  at: instant,
  data: z.record(z.string(), z.unknown()),
});
export type RunEvent = z.infer<typeof event>;

/** How an attempt ended that had been given up by then: its agent was away for too long. */
export const lateReport = z.object({
  outcome: z.enum(REPORTED_OUTCOMES),
  exitCode: z.int().nullable(),
  at: instant,
});
export type LateReport = z.infer<typeof lateReport>;

/** Where an attempt runs that does not run on its agent's machine. */
export const attemptTarget = z.object({
  /** For example `user@host:22`. */
  address: z.string().max(500),
  /** Of the attempt over there. */
  dir: z.string().max(5000),
});
export type AttemptTarget = z.infer<typeof attemptTarget>;

export const attempt = z.object({
  id: z.string(),
  runId: z.string(),
  number: z.int(),
  epoch: z.int(),
  status: z.enum(ATTEMPT_STATUSES),
  agentId: z.string().nullable(),
  /** How it is run: `local`, `ssh`, or `ssh:` and the name of a host. Known from its submission on. */
  executor: z.string(),
  /** The machine and directory where it was started; null before, and for the agent's own machine. */
  target: attemptTarget.nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  error: runError.nullable(),
  /** What its agent says of the failure, beside its error: also what a log pattern asks for. */
  failure: attemptFailure.optional(),
  /** Agents that it was kept from, because earlier attempts failed there (`excludeAgent` of a log pattern). */
  excludedAgents: z.array(z.string()).optional(),
  cleanupError: z.string().nullable(),
  progress: z.record(z.string(), z.unknown()).nullable(),
  logBytes: z.int(),
  metricsBytes: z.int(),
  /** Bytes of a stream that the agent could not deliver; a log says where they are missing. */
  undeliveredBytes: z.partialRecord(z.enum(['log', 'metrics']), z.int()).optional(),
  unreachableSince: instant.nullable(),
  /** Evidence only: it changes no status. */
  lateReport: lateReport.nullable(),
  createdAt: instant,
  startedAt: instant.nullable(),
  endedAt: instant.nullable(),
});
export type Attempt = z.infer<typeof attempt>;

/** A value of a metric in JSON: a number, or "NaN", "Infinity", "-Infinity". */
export const metricNumber = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);
export type MetricNumber = z.infer<typeof metricNumber>;

/** `time` is epoch milliseconds. */
export const metricPoint = z.object({ step: z.int(), value: metricNumber, time: z.number() });
export type MetricPoint = z.infer<typeof metricPoint>;

/** All points by key, by step and then by time: the shape of `trainyard runs metrics ID --json`. */
export const metricPoints = z.record(z.string(), z.array(metricPoint));

export const metricLatest = z.object({
  key: z.string(),
  step: z.int(),
  value: metricNumber,
  time: z.number(),
  count: z.int(),
  min: metricNumber.nullable(),
  max: metricNumber.nullable(),
});
export type MetricLatest = z.infer<typeof metricLatest>;

export const datasetVersion = z.object({
  name: z.string(),
  sha256: z.string(),
  sizeBytes: z.int(),
  rows: z.int().nullable(),
  path: z.string(),
  createdAt: instant,
  runs: z.array(z.object({ runId: z.string(), role: z.enum(['input', 'output']) })),
});
export type DatasetVersion = z.infer<typeof datasetVersion>;

export const agentInfo = z.object({
  id: z.string(),
  name: z.string(),
  hostname: z.string(),
  version: z.string(),
  slots: z.int(),
  busySlots: z.int(),
  queues: z.array(z.string()),
  /** null: it has not told how many, and takes jobs whatever they need. */
  gpus: z.int().nullable(),
  labels: z.record(z.string(), z.string()),
  /** How busy its machine was at its last heartbeat; null when it has not told. */
  telemetry: machineTelemetry.nullable(),
  /** Slots that take no job, because processes of their last one could not be ended. */
  outOfService: z.array(outOfServiceSlot),
  online: z.boolean(),
  /** It takes no more work, and leaves when it has finished what it has. */
  draining: z.boolean(),
  lastSeenAt: instant,
  createdAt: instant,
});
export type AgentInfo = z.infer<typeof agentInfo>;

export const serverInfo = z.object({
  version: z.string(),
  /** `open`: no login on loopback; `token`: every request needs one. */
  auth: z.enum(['open', 'token']),
  database: z.enum(['embedded', 'external']),
});
export type ServerInfo = z.infer<typeof serverInfo>;

/** Outcome of a finish report and of the columns it fills. */
export const reportedOutcome = z.enum(REPORTED_OUTCOMES);
