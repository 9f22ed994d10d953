import type {
  AgentInfo,
  Attempt,
  ChartSeries,
  DatasetVersion,
  MetricLatest,
  MetricPoint,
  PipelineDefinition,
  Run,
  RunDefinition,
  RunEvent,
  RunListItem,
  RunStatus,
  RunTree,
  RunWait,
  StartedRun,
  SubmitRun,
} from '@trainyard/protocol';
import { approvalCalls } from './approval-calls.ts';
import { createArtifactsClient } from './artifacts-client.ts';
import { cacheCalls } from './cache-calls.ts';
import type { ChartQuery } from './chart-query.ts';
import { createCheckpointsClient } from './checkpoints-client.ts';
import { datasetCalls } from './dataset-calls.ts';
import { exportLog, type LogExport } from './export-log.ts';
import { findingCalls } from './finding-calls.ts';
import { followEvents, followLog } from './follow.ts';
import { baseUrl, type ConnectionOptions, type HttpRequest, send, sendForJson } from './http.ts';
import { createJobsClient } from './jobs-client.ts';
import { pauseCalls } from './pause-calls.ts';
import { createPipelinesClient } from './pipelines-client.ts';
import { poolCalls } from './pool-calls.ts';
import { rerunCalls } from './rerun-calls.ts';
import { runParamCalls } from './run-param-calls.ts';
import { createBackfillsClient, createSchedulesClient } from './schedules-client.ts';
import { createSecretsClient } from './secrets-client.ts';
import { serverCalls } from './server-calls.ts';
import { tokenCalls } from './token-calls.ts';
import { trackingCalls } from './tracking-calls.ts';
import { createTriggersClient } from './triggers-client.ts';
import { createWebhooksClient } from './webhooks-client.ts';

/** Every method ends with options that may carry a signal; its abort rejects with the signal's reason. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface Page<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}

export interface ValidatedPipeline {
  readonly name: string;
  /** Stages of all levels. */
  readonly stages: number;
  readonly depth: number;
  /** Names of the outermost level; the stages of one layer may run side by side. */
  readonly layers: string[][];
}

/** A piece of a log, as the process wrote it. Offsets are in bytes. */
export interface LogPart {
  readonly bytes: Uint8Array;
  readonly attempt: number;
  /** Empty while the run has no attempt. */
  readonly attemptId: string;
  readonly offset: number;
  readonly nextOffset: number;
  readonly size: number;
  /** The attempt is over and this piece ends with its last byte. */
  readonly complete: boolean;
}

export interface LogLine {
  readonly offset: number;
  /** When the server received it, ISO 8601. */
  readonly time: string;
  readonly text: string;
}

export interface LogLines {
  readonly items: LogLine[];
  readonly nextOffset: number;
  readonly size: number;
  readonly complete: boolean;
}

export interface LogQuery extends CallOptions {
  /** Number of the attempt; the newest one by default. */
  readonly attempt?: number | undefined;
  /** Negative: counted from the end. */
  readonly offset?: number | undefined;
  /** Bytes for `readLog`, lines for `readLogLines`. */
  readonly limit?: number | undefined;
}

export interface StepRange extends CallOptions {
  readonly firstStep?: number | undefined;
  readonly lastStep?: number | undefined;
}

/**
 * The API for people and programs. Every method rejects with a `TrainyardError`: the code and message of the
 * server, or SERVER_UNREACHABLE when none answered.
 */
export type Client = ReturnType<typeof createClient>;

/** Makes a client. Nothing is sent until a method is called. Runs in browsers and in Node. */
export function createClient(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  const items = async <T>(request: HttpRequest) => (await json<{ items: T[] }>(request)).items;

  const client = {
    ...approvalCalls(connection),
    ...rerunCalls(connection),
    ...serverCalls(connection),
    ...cacheCalls(connection),
    ...datasetCalls(connection),
    ...findingCalls(connection),
    ...tokenCalls(connection),
    ...trackingCalls(connection),
    url: baseUrl(connection.url),
    secrets: createSecretsClient(connection),
    webhooks: createWebhooksClient(connection),
    jobs: createJobsClient(connection),
    checkpoints: createCheckpointsClient(connection),
    artifacts: createArtifactsClient(connection),
    triggers: createTriggersClient(connection),
    schedules: createSchedulesClient(connection),
    backfills: createBackfillsClient(connection),
    /** Pipelines that are registered by name. */
    pipelines: createPipelinesClient(connection),

    /** False while the server starts or stops; rejects when none answers. */
    async isReady(options: CallOptions = {}): Promise<boolean> {
      try {
        await send(connection, { path: '/readyz', ...options });
        return true;
      } catch (error) {
        if ((error as { code?: unknown }).code === 'UNAVAILABLE') return false;
        throw error;
      }
    },

    /** @throws TrainyardError INVALID_DEFINITION, its details `{faults: DefinitionFault[]}` */
    validatePipeline: (body: SubmitRun, options: CallOptions = {}) =>
      json<ValidatedPipeline>({
        method: 'POST',
        path: '/api/v1/pipelines/validate',
        json: body,
        ...options,
      }),

    /** The same idempotency key gives the same run again. */
    submitRun: (
      body: SubmitRun,
      { idempotencyKey, signal }: CallOptions & { idempotencyKey?: string } = {},
    ) =>
      json<StartedRun>({
        method: 'POST',
        path: '/api/v1/runs',
        json: body,
        headers: { 'idempotency-key': idempotencyKey ?? crypto.randomUUID() },
        signal,
      }),

    /** Root runs, newest first. */
    listRuns: ({
      signal,
      ...query
    }: CallOptions & {
      status?: RunStatus;
      name?: string;
      pipeline?: string;
      limit?: number;
      cursor?: string;
    } = {}) => json<Page<RunListItem>>({ path: '/api/v1/runs', query, signal }),

    getRun: (id: string, options: CallOptions = {}) => json<Run>({ path: runPath(id), ...options }),

    getTree: (id: string, options: CallOptions = {}) =>
      json<RunTree>({ path: runPath(id, 'tree'), ...options }),

    getDefinition: (id: string, options: CallOptions = {}) =>
      json<Omit<RunDefinition, 'definition'> & { definition: PipelineDefinition }>({
        path: runPath(id, 'definition'),
        ...options,
      }),

    /** Why ready stages of the run's tree wait: pools and concurrency groups without room. */
    listWaits: (id: string, options: CallOptions = {}) =>
      items<RunWait>({ path: runPath(id, 'waits'), ...options }),

    /** Oldest first. */
    listAttempts: (id: string, options: CallOptions = {}) =>
      items<Attempt>({ path: runPath(id, 'attempts'), ...options }),

    cancelRun: (id: string, { reason, signal }: CallOptions & { reason?: string } = {}) =>
      json<Run>({
        method: 'POST',
        path: runPath(id, 'cancel'),
        json: reason === undefined ? {} : { reason },
        signal,
      }),

    listEvents: (
      id: string,
      { signal, ...query }: CallOptions & { afterSeq?: number; limit?: number } = {},
    ) => json<{ items: RunEvent[]; nextSeq: number }>({ path: runPath(id, 'events'), query, signal }),

    /** Events until the run has ended and all of them were given. */
    followEvents(
      id: string,
      options: CallOptions & { afterSeq?: number; pollMs?: number } = {},
    ): AsyncGenerator<RunEvent, void> {
      return followEvents(client, id, options);
    },

    async readLog(id: string, { signal, ...query }: LogQuery = {}): Promise<LogPart> {
      const path = runPath(id, 'log');
      const response = await send(connection, { path, query, headers: { accept: 'text/plain' }, signal });
      const header = (name: string) => response.headers.get(name) ?? '';
      return {
        bytes: new Uint8Array(await response.arrayBuffer()),
        attempt: Number(header('x-attempt')),
        attemptId: header('x-attempt-id'),
        offset: Number(header('x-offset')),
        nextOffset: Number(header('x-next-offset')),
        size: Number(header('x-size')),
        complete: header('x-complete') === 'true',
      };
    },

    readLogLines: (id: string, { signal, ...query }: LogQuery = {}) =>
      json<LogLines>({ path: runPath(id, 'log/lines'), query, signal }),

    /** The whole log as a file for people, with a time before each line, or raw. */
    exportLog: (id: string, query: LogExport = {}) =>
      exportLog(connection, runPath(id, 'log/download'), query),

    /**
     * The log as it grows, from `offset` on, until the run has ended. Without `attempt` the log of the next
     * attempt follows that of the last when the run is retried.
     */
    followLog(
      id: string,
      options: Omit<LogQuery, 'limit'> & { pollMs?: number } = {},
    ): AsyncGenerator<LogPart, void> {
      return followLog(client, id, options);
    },

    getMetrics: (id: string, { keys, signal, ...steps }: StepRange & { keys?: readonly string[] } = {}) =>
      json<Record<string, MetricPoint[]>>({
        path: runPath(id, 'metrics'),
        query: { ...steps, key: keys },
        signal,
      }),

    /** The newest value of every key; with `tree` also of all runs below. */
    getLatestMetrics: (id: string, { tree, signal }: CallOptions & { tree?: boolean } = {}) =>
      items<MetricLatest & { runId: string; path: string }>({
        path: runPath(id, 'metrics/latest'),
        query: { tree },
        signal,
      }),

    getCharts: async ({ runIds, keys, signal, ...query }: ChartQuery) =>
      (
        await json<{ series: ChartSeries[] }>({
          path: '/api/v1/charts',
          query: { ...query, run: runIds, key: keys },
          signal,
        })
      ).series,

    /** Dataset versions of the run and of all runs below it. */
    listRunDatasets: (id: string, options: CallOptions = {}) =>
      items<DatasetVersion>({ path: runPath(id, 'datasets'), ...options }),

    /** It takes no more work, and leaves when it has finished what it has. */
    drainAgent: (id: string, options: CallOptions = {}) =>
      json<AgentInfo>({ method: 'POST', path: `/api/v1/agents/${encodeURIComponent(id)}/drain`, ...options }),

    listAgents: (options: CallOptions = {}) => items<AgentInfo>({ path: '/api/v1/agents', ...options }),

    ...pauseCalls(connection),
    ...runParamCalls(connection),
    ...poolCalls(connection),
  };
  return client;
}

function runPath(id: string, part?: string): string {
  const path = `/api/v1/runs/${encodeURIComponent(id)}`;
  return part === undefined ? path : `${path}/${part}`;
}
