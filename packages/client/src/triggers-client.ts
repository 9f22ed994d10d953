import type { CreatedTrigger, CreateTrigger, Trigger } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, type HttpRequest, send, sendForJson } from './http.ts';

/** Triggers: signed messages from outside that start runs. Part of the client (`client.triggers`). */
export function createTriggersClient(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  return {
    /** The secret is answered once and never again. */
    add: (body: CreateTrigger, options: CallOptions = {}) =>
      json<CreatedTrigger>({ method: 'POST', path: '/api/v1/triggers', json: body, ...options }),

    /** By name. */
    list: async (options: CallOptions = {}) =>
      (await json<{ items: Trigger[] }>({ path: '/api/v1/triggers', ...options })).items,

    /** By name or id. */
    get: (name: string, options: CallOptions = {}) => json<Trigger>({ path: pathOf(name), ...options }),

    async remove(name: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'DELETE', path: pathOf(name), ...options });
    },
  };
}

function pathOf(name: string): string {
  return `/api/v1/triggers/${encodeURIComponent(name)}`;
}
