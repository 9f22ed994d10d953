import type { SecretInfo } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, send, sendForJson } from './http.ts';

/** Secrets for jobs. Values go in and never come out. */
export function createSecretsClient(connection: ConnectionOptions) {
  return {
    async set(name: string, value: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'PUT', path: secretPath(name), json: { value }, ...options });
    },

    list: async (options: CallOptions = {}) =>
      (await sendForJson<{ items: SecretInfo[] }>(connection, { path: '/api/v1/secrets', ...options })).items,

    async remove(name: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'DELETE', path: secretPath(name), ...options });
    },
  };
}

function secretPath(name: string): string {
  return `/api/v1/secrets/${encodeURIComponent(name)}`;
}
