import type { PauseMode, Run } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, sendForJson } from './http.ts';

/** Runs, or stages of them, that stand still for a while. */
export function pauseCalls(connection: ConnectionOptions) {
  const post = (id: string, action: string, json: object, { signal }: CallOptions) =>
    sendForJson<Run>(connection, {
      method: 'POST',
      path: `/api/v1/runs/${encodeURIComponent(id)}/${action}`,
      json,
      ...(signal === undefined ? {} : { signal }),
    });
  return {
    /** Answers the run or stage as it was; what comes of it is told by its status and events. */
    pauseRun: (
      id: string,
      { stage, mode, ...options }: CallOptions & { stage?: string; mode?: PauseMode } = {},
    ) =>
      post(
        id,
        'pause',
        { ...(stage === undefined ? {} : { stage }), ...(mode === undefined ? {} : { mode }) },
        options,
      ),
    resumeRun: (id: string, { stage, ...options }: CallOptions & { stage?: string } = {}) =>
      post(id, 'resume', stage === undefined ? {} : { stage }, options),
  };
}
