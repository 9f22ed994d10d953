import type { ModelCheckpoint, SaveTrainingJob, TrainingJob } from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, type HttpRequest, send, sendForJson } from './http.ts';

interface CheckpointQuery extends CallOptions {
  /** Also those whose files are deleted. */
  readonly deleted?: boolean;
  readonly limit?: number;
}

/** Training jobs, by id or name, and model checkpoints. */
export function createJobsClient(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  const checkpoints = async (path: string, { signal, ...query }: CheckpointQuery) =>
    (await json<{ items: ModelCheckpoint[] }>({ path: `${path}/checkpoints`, query, signal })).items;
  return {
    /** The same content again gives the same job. @throws TrainyardError CONFLICT, INVALID_DEFINITION */
    create: (body: SaveTrainingJob, options: CallOptions = {}) =>
      json<TrainingJob>({ method: 'POST', path: '/api/v1/jobs', json: body, ...options }),

    /** Replaces what the job says; its name, id and checkpoints stay. */
    replace: (job: string, body: SaveTrainingJob, options: CallOptions = {}) =>
      json<TrainingJob>({ method: 'PUT', path: jobPath(job), json: body, ...options }),

    list: ({ signal, ...query }: CallOptions & { limit?: number; cursor?: string } = {}) =>
      json<Page<TrainingJob>>({ path: '/api/v1/jobs', query, signal }),

    get: (job: string, options: CallOptions = {}) => json<TrainingJob>({ path: jobPath(job), ...options }),

    async delete(job: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'DELETE', path: jobPath(job), ...options });
    },

    /** Newest first. */
    checkpoints: (job: string, query: CheckpointQuery = {}) => checkpoints(jobPath(job), query),

    /** Of a run and all stages in it, newest first. */
    checkpointsOfRun: (runId: string, query: CheckpointQuery = {}) =>
      checkpoints(`/api/v1/runs/${encodeURIComponent(runId)}`, query),
  };
}

function jobPath(job: string): string {
  return `/api/v1/jobs/${encodeURIComponent(job)}`;
}
