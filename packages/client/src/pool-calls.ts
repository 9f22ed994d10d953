import type { Pool, PoolDetails, SetPool } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, type HttpRequest, send, sendForJson } from './http.ts';

/** Named capacities that jobs of all runs share. */
export function poolCalls(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  return {
    listPools: async (options: CallOptions = {}) =>
      (await json<{ items: Pool[] }>({ path: '/api/v1/pools', ...options })).items,

    /** With who holds its slots and who waits for them. */
    getPool: (name: string, options: CallOptions = {}) =>
      json<PoolDetails>({ path: poolPath(name), ...options }),

    /** Makes the pool, or changes it. */
    setPool: (name: string, body: SetPool, options: CallOptions = {}) =>
      json<Pool>({ method: 'PUT', path: poolPath(name), json: body, ...options }),

    /** Stages that need it wait from then on. */
    async deletePool(name: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'DELETE', path: poolPath(name), ...options });
    },
  };
}

function poolPath(name: string): string {
  return `/api/v1/pools/${encodeURIComponent(name)}`;
}
