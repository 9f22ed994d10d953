import type { CacheEntry } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, sendForJson } from './http.ts';

interface EntriesOf extends CallOptions {
  /** Name of the pipeline. */
  readonly pipeline?: string | undefined;
  /** Path of the stage in the definition. */
  readonly stage?: string | undefined;
}

/** Results of stages that runs use again. Part of the client. */
export function cacheCalls(connection: ConnectionOptions) {
  return {
    /** Newest first. */
    listCache: async ({ signal, ...query }: EntriesOf & { limit?: number } = {}) =>
      (await sendForJson<{ items: CacheEntry[] }>(connection, { path: '/api/v1/cache', query, signal }))
        .items,

    /** Forgets results, not the runs that gave them; tells how many. */
    clearCache: async ({ signal, ...query }: EntriesOf & { olderThanMs?: number | undefined } = {}) =>
      (
        await sendForJson<{ removed: number }>(connection, {
          method: 'DELETE',
          path: '/api/v1/cache',
          query,
          signal,
        })
      ).removed,
  };
}
