import type { KeptRun, RetryRun, RunPlan, SubmitRun } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, send, sendForJson } from './http.ts';

/** What is done with runs that have ended. Part of the client. */
export function rerunCalls(connection: ConnectionOptions) {
  return {
    /** Removes a root run that has ended. @throws TrainyardError CONFLICT while it goes on */
    async deleteRun(id: string, options: CallOptions = {}): Promise<void> {
      await send(connection, {
        method: 'DELETE',
        path: `/api/v1/runs/${encodeURIComponent(id)}`,
        ...options,
      });
    },

    /** Whether retention leaves all of a root run alone. @throws TrainyardError CONFLICT for a stage */
    keepRun: (id: string, kept: boolean, options: CallOptions = {}) =>
      sendForJson<KeptRun>(connection, {
        method: 'PUT',
        path: `/api/v1/runs/${encodeURIComponent(id)}/kept`,
        json: { kept },
        ...options,
      }),

    /**
     * Starts a new run that does one that has ended again and keeps what had ended well. The same idempotency
     * key gives the same run again.
     * @throws TrainyardError CONFLICT when the run still goes on, or when nothing of it is left to do
     */
    retryRun: (
      id: string,
      body: RetryRun = {},
      { idempotencyKey, signal }: CallOptions & { idempotencyKey?: string } = {},
    ) =>
      sendForJson<{ id: string }>(connection, {
        method: 'POST',
        path: `/api/v1/runs/${encodeURIComponent(id)}/retry`,
        json: body,
        headers: { 'idempotency-key': idempotencyKey ?? crypto.randomUUID() },
        signal,
      }),

    /** What `retryRun` would start. */
    planRetry: (id: string, body: RetryRun = {}, options: CallOptions = {}) =>
      sendForJson<RunPlan>(connection, {
        method: 'POST',
        path: `/api/v1/runs/${encodeURIComponent(id)}/retry`,
        json: { ...body, dryRun: true },
        ...options,
      }),

    /** What `submitRun` would start. Nothing is stored. */
    planRun: (body: SubmitRun, options: CallOptions = {}) =>
      sendForJson<RunPlan>(connection, {
        method: 'POST',
        path: '/api/v1/runs',
        json: { ...body, dryRun: true },
        ...options,
      }),
  };
}
