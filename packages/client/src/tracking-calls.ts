import type {
  ImportanceQuery,
  ParamImportance,
  RunComparison,
  RunTable,
  SearchTrackedRuns,
} from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, type HttpRequest, sendForJson } from './http.ts';
import { modelCalls } from './model-calls.ts';
import { createTrackedRunsClient } from './tracked-runs-client.ts';

/** Searches, comparisons and analysis of tracked runs, and the registry of models. */
export function trackingCalls(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  const post = { method: 'POST' } as const;
  return {
    ...modelCalls(connection),

    /** Experiments, and tracked runs one by one. */
    tracking: createTrackedRunsClient(connection),

    /** One page, by columns: `{name, type, values}` each. */
    searchTrackedRuns: (search: SearchTrackedRuns = {}, options: CallOptions = {}) =>
      json<RunTable>({ ...post, path: '/api/v1/tracking/runs/search', json: search, ...options }),

    /** Params that differ, and last and best values of metrics. */
    compareRuns: (runIds: readonly string[], options: CallOptions = {}) =>
      json<RunComparison>({ ...post, path: '/api/v1/tracking/runs/compare', json: { runIds }, ...options }),

    /** How much each param has to do with a metric. */
    paramImportance: ({ metric, experimentIds, filter }: ImportanceQuery, options: CallOptions = {}) =>
      json<ParamImportance>({
        path: '/api/v1/tracking/importance',
        query: { metric, experimentIds, filter },
        ...options,
      }),
  };
}
