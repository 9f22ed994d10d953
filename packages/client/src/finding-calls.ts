import type { FindingInfo, RefusedLines, RunHealth } from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, sendForJson } from './http.ts';

/** What rules have found in the metrics of runs, and what of these could not be read. Part of the client. */
export function findingCalls(connection: ConnectionOptions) {
  return {
    /**
     * Newest first. `run` limits them to a run and (unless `below` is false) the runs inside of it, `open` to
     * those that still hold, `unseen` to alerts that nobody has acknowledged.
     */
    listFindings: ({
      signal,
      ...query
    }: CallOptions & {
      run?: string;
      below?: boolean;
      open?: boolean;
      unseen?: boolean;
      limit?: number;
      cursor?: string;
    } = {}) => sendForJson<Page<FindingInfo>>(connection, { path: '/api/v1/findings', query, signal }),

    /** Score from 0 to 100 and what is open in the newest attempt. @throws TrainyardError NOT_FOUND */
    runHealth: (id: string, options: CallOptions = {}) =>
      sendForJson<RunHealth>(connection, {
        path: `/api/v1/runs/${encodeURIComponent(id)}/health`,
        ...options,
      }),

    /** Lines of metrics that could not be read, of the run and all runs below it. @throws TrainyardError NOT_FOUND */
    listRefusedLines: async (id: string, options: CallOptions = {}) => {
      const path = `/api/v1/runs/${encodeURIComponent(id)}/metrics/refused`;
      const { items } = await sendForJson<{ items: RefusedLines[] }>(connection, { path, ...options });
      return items;
    },

    /** @throws TrainyardError NOT_FOUND */
    acknowledgeFinding: (id: string, options: CallOptions = {}) =>
      sendForJson<FindingInfo>(connection, {
        method: 'POST',
        path: `/api/v1/findings/${encodeURIComponent(id)}/acknowledge`,
        ...options,
      }),
  };
}
