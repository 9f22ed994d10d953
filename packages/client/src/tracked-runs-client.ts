import type { ExperimentInfo, LogToRun, TrackedRunInfo } from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, send, sendForJson } from './http.ts';

interface Search extends CallOptions {
  readonly filter?: string;
  readonly orderBy?: readonly string[];
  readonly view?: 'active' | 'deleted' | 'all';
  readonly cursor?: string;
  readonly limit?: number;
}

const EXPERIMENTS = '/api/v1/experiments';
const RUNS = '/api/v1/tracking/runs';

/** Experiments and their runs. */
export function createTrackedRunsClient(connection: ConnectionOptions) {
  const runPath = (id: string, part = '') => `${RUNS}/${encodeURIComponent(id)}${part}`;
  return {
    experiments: ({ signal, ...query }: Search = {}) =>
      sendForJson<Page<ExperimentInfo>>(connection, { path: EXPERIMENTS, query, signal }),
    experiment: (id: number, options: CallOptions = {}) =>
      sendForJson<ExperimentInfo>(connection, { path: `${EXPERIMENTS}/${id}`, ...options }),
    deleteExperiment: (id: number, options: CallOptions = {}) =>
      sendForJson<ExperimentInfo>(connection, { method: 'DELETE', path: `${EXPERIMENTS}/${id}`, ...options }),
    restoreExperiment: (id: number, options: CallOptions = {}) =>
      sendForJson<ExperimentInfo>(connection, {
        method: 'POST',
        path: `${EXPERIMENTS}/${id}/restore`,
        ...options,
      }),
    run: (id: string, options: CallOptions = {}) =>
      sendForJson<TrackedRunInfo>(connection, { path: runPath(id), ...options }),
    /** All of it is stored, or nothing; may be sent again. */
    async log(id: string, what: LogToRun, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'POST', path: runPath(id, '/log'), json: what, ...options });
    },
    deleteRun: (id: string, options: CallOptions = {}) =>
      sendForJson<TrackedRunInfo>(connection, { method: 'DELETE', path: runPath(id), ...options }),
    restoreRun: (id: string, options: CallOptions = {}) =>
      sendForJson<TrackedRunInfo>(connection, { method: 'POST', path: runPath(id, '/restore'), ...options }),
  };
}
