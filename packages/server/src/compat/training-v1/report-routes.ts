import {
  type AttemptStatus,
  canAttemptGo,
  jobLogs,
  jobLogsTaken,
  jobMetricReport,
  jobMetricsReport,
  jobMetricsTaken,
  jobStatusReport,
  jobStatusReported,
  type ReportedOutcome,
  TrainyardError,
  toMetricLine,
  toOlderJobStatus,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../../server-context.ts';
import { pausedAround, standsStill } from '../../store/paused-around.ts';
import { announceEnd } from './announce-end.ts';
import { isGivenBack, isOwnAgents, type ReportingJob, reportingJob, requireReporter } from './job-access.ts';
import { readLenientJson } from './lenient-json.ts';
import { OlderRefusal } from './older-error.ts';
import { tellTree } from './tell-tree.ts';

const jobParams = z.object({ jobId: z.string().max(200) });
type Reported = z.infer<typeof jobStatusReport>;

/** Each of these calls carries the token of its job, which is checked in it. */
const REPORTED = { access: 'public', unstorableText: 'repair' } as const;
const TAGS = ['older systems'];

/** What a trainer reports of its job: status, log lines, metrics. They become what an agent's reports become. */
export function jobReportRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { attempts, ingest } = context;

  const report = async ({ attempt, token }: ReportingJob, wanted: Reported) => {
    const base = { attemptId: attempt.id, epoch: attempt.epoch, token, at: Date.now() };
    const [result] = await attempts.report([{ ...reportOf(attempt.status, wanted), ...base }]);
    return result!;
  };
  /** A pause that its worker begins or ends by itself is one of the run, as if somebody had asked for it. */
  const askToHold = async (reporting: ReportingJob, wanted: Reported): Promise<void> => {
    const { job, attempt } = reporting;
    const isPause = wanted.status === 'paused';
    const isHeld = attempt.isPauseRequested || isGivenBack(job);
    if (isPause === isHeld || (!isPause && wanted.status !== 'running')) return;
    // Its agent asks for people, who have to know; a worker only says what it does.
    if (!isPause && isOwnAgents(reporting)) {
      const around = await pausedAround(context.database.kysely, job);
      if (around !== undefined) throw new OlderRefusal('INVALID_STATUS', standsStill(around));
    }
    await tellTree(context, job, isPause ? { kind: 'pause', mode: 'cooperative' } : { kind: 'resume' });
  };
  /** As people ask for it at the agent. */
  const cancel = async ({ job }: ReportingJob): Promise<void> => {
    if (job.status === 'cancelled') return;
    if (job.endedAt !== null) {
      throw new OlderRefusal('INVALID_STATUS', `Job ${job.runId} is ${job.status}; it cannot be cancelled.`);
    }
    await tellTree(context, job, { kind: 'cancel', reason: 'cancelled at its agent' });
  };
  const start = async (reporting: ReportingJob): Promise<void> => {
    if (reporting.attempt.status === 'leased') await report(reporting, { status: 'running' });
  };
  const append = (
    { attempt, job, isLate, isProgram }: ReportingJob,
    stream: 'log' | 'metrics' | 'reported',
    lines: readonly string[],
    firstLine: number | undefined,
  ) =>
    ingest.append({
      attemptId: attempt.id,
      runId: job.runId,
      rootId: job.rootId,
      attemptNumber: attempt.number,
      stream,
      // The agent counts the bytes of its log: what the program adds is put beside them.
      offset: isProgram && stream === 'log' ? 'beside' : 'end',
      firstLine,
      isLate,
      bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')),
    });
  const takeMetrics = async (
    reporting: ReportingJob,
    points: readonly z.infer<typeof jobMetricReport>[],
    sequence: number | undefined,
  ) => {
    requireReporter(reporting);
    const { job, attempt, isLate } = reporting;
    if (isLate)
      throw new OlderRefusal('INVALID_STATUS', `Job ${job.runId} is ${attempt.status}; it takes no metrics.`);
    if (!reporting.isProgram) await start(reporting);
    const stream = reporting.isProgram ? 'reported' : 'metrics';
    const { lines } = await append(reporting, stream, points.map(toMetricLine), sequence);
    return { success: true as const, metrics_appended: points.length, total_metrics: lines };
  };

  return async (app) => {
    readLenientJson(app);

    app.patch(
      '/local/:jobId/status',
      {
        config: REPORTED,
        schema: {
          tags: TAGS,
          params: jobParams,
          body: jobStatusReport,
          response: { 200: jobStatusReported },
        },
      },
      async (request) => {
        const { jobId } = request.params;
        const reporting = await reportingJob(context, request, jobId);
        if (isOwnAgents(reporting)) {
          // Its agent does and reports it, once the run says so.
          if (isHalt(request.body)) await askToHold(reporting, request.body);
          else if (isCancelByAgent(reporting, request.body)) await cancel(reporting);
          else await announceEnd(context, reporting, request.body);
          return {
            success: true as const,
            status: request.body.status,
            updated_at: new Date().toISOString(),
          };
        }
        if (!isKnown(reporting, request.body)) {
          refuseTransition(reporting, request.body);
          await askToHold(reporting, request.body);
          const result = await report(reporting, request.body);
          // Another report of the same job was faster: what counts is what has become of it.
          if (!result.ok) {
            const now = await reportingJob(context, request, jobId);
            if (!isKnown(now, request.body)) refuseTransition(now, request.body);
          }
        }
        return { success: true as const, status: request.body.status, updated_at: new Date().toISOString() };
      },
    );

    app.post(
      '/local/:jobId/logs',
      {
        config: REPORTED,
        schema: { tags: TAGS, params: jobParams, body: jobLogs, response: { 200: jobLogsTaken } },
      },
      async (request) => {
        const reporting = await reportingJob(context, request, request.params.jobId);
        requireReporter(reporting);
        const { logs, sequence } = request.body;
        const lines = logs.flatMap((line) => line.replace(/\r?\n$/, '').split('\n'));
        if (sequence !== undefined && lines.length !== logs.length) {
          const message = 'body/logs: with a sequence, which counts lines, each entry must be one line.';
          throw new TrainyardError('INVALID_REQUEST', message);
        }
        const stored = await append(reporting, 'log', lines, sequence);
        return { success: true as const, logs_appended: lines.length, total_logs: stored.lines };
      },
    );

    for (const method of ['PUT', 'POST'] as const) {
      app.route({
        method,
        url: '/local/:jobId/metrics',
        config: REPORTED,
        schema: { tags: TAGS, params: jobParams, body: jobMetricReport, response: { 200: jobMetricsTaken } },
        handler: async (request) => {
          const params = jobParams.parse(request.params);
          const point = jobMetricReport.parse(request.body);
          const reporting = await reportingJob(context, request, params.jobId);
          return takeMetrics(reporting, [point], point.sequence);
        },
      });
    }

    app.post(
      '/local/metrics',
      {
        config: REPORTED,
        schema: { tags: TAGS, body: jobMetricsReport, response: { 200: jobMetricsTaken } },
      },
      async (request) => {
        const { job_id: jobId, metrics, sequence } = request.body;
        return takeMetrics(await reportingJob(context, request, jobId), metrics, sequence);
      },
    );
  };
}

/** True for a report of what is the case already: its answer was lost, or it was sent twice. */
function isKnown({ attempt }: ReportingJob, { status }: Reported): boolean {
  return attempt.status !== 'leased' && toOlderJobStatus('running', attempt.status) === status;
}

function refuseTransition({ job, attempt }: ReportingJob, { status }: Reported): void {
  if (canAttemptGo(attempt.status, status)) return;
  const message = `Job ${job.runId} is ${toOlderJobStatus('running', attempt.status)}; it cannot become ${status}.`;
  throw new OlderRefusal('INVALID_STATUS', message);
}

function isCancelByAgent({ isProgram }: ReportingJob, { status }: Reported): boolean {
  return status === 'cancelled' && !isProgram;
}

function isHalt({ status }: Reported): boolean {
  return status === 'paused' || status === 'running';
}

function reportOf(before: AttemptStatus, wanted: Reported) {
  if (wanted.status === 'paused') return { kind: 'paused' as const, mode: 'cooperative' as const };
  if (wanted.status !== 'running') return finished(wanted);
  return { kind: before === 'paused' ? ('resumed' as const) : ('started' as const) };
}

function finished({ status, error }: Reported) {
  const outcome = status as ReportedOutcome;
  return {
    kind: 'finished' as const,
    outcome,
    exitCode: outcome === 'completed' ? 0 : null,
    signal: null,
    error:
      outcome === 'failed'
        ? { code: 'reported_failure', message: error || 'the trainer gave no reason' }
        : null,
    outputs: null,
    datasets: [],
    checkpoints: [],
    cleanupError: null,
    undeliveredBytes: {},
  };
}
