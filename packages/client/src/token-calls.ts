import type { CallOptions } from './client.ts';
import { type ConnectionOptions, send, sendForJson } from './http.ts';

export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly scopes: string[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
}

/** API tokens. Part of the client. */
export function tokenCalls(connection: ConnectionOptions) {
  return {
    /** The token's text is answered once and never again. */
    createToken: (
      body: { name: string; scopes: readonly string[]; expiresInMs?: number; owner?: string },
      options: CallOptions = {},
    ) =>
      sendForJson<{ id: string; token: string }>(connection, {
        method: 'POST',
        path: '/api/v1/tokens',
        json: body,
        ...options,
      }),

    listTokens: async (options: CallOptions = {}) =>
      (await sendForJson<{ items: TokenInfo[] }>(connection, { path: '/api/v1/tokens', ...options })).items,

    async revokeToken(id: string, options: CallOptions = {}): Promise<void> {
      await send(connection, {
        method: 'DELETE',
        path: `/api/v1/tokens/${encodeURIComponent(id)}`,
        ...options,
      });
    },
  };
}
