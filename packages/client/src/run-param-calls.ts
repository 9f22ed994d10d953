import type { JsonValue, RunParamChange } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, sendForJson } from './http.ts';

/** Params of jobs that run. */
export function runParamCalls(connection: ConnectionOptions) {
  const path = (id: string) => `/api/v1/runs/${encodeURIComponent(id)}/params`;
  return {
    /** Asks the program of a job to go on with other values; what it says of them is in the list. */
    changeRunParams: (
      id: string,
      params: Readonly<Record<string, JsonValue>>,
      { stage, ...options }: CallOptions & { stage?: string } = {},
    ) =>
      sendForJson<RunParamChange>(connection, {
        method: 'POST',
        path: path(id),
        json: { params, ...(stage === undefined ? {} : { stage }) },
        ...options,
      }),
    /** The newest first. */
    listRunParamChanges: async (id: string, { signal, ...query }: CallOptions & { stage?: string } = {}) => {
      const request = { path: path(id), query, signal };
      return (await sendForJson<{ items: RunParamChange[] }>(connection, request)).items;
    },
  };
}
