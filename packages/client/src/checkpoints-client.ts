import type { ModelCheckpoint } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, sendForJson } from './http.ts';

/** Single model checkpoints, by id; lists of them are at training jobs and runs. */
export function createCheckpointsClient(connection: ConnectionOptions) {
  const send = (method: 'GET' | 'PUT' | 'DELETE', id: string, rest: string, options: CallOptions) =>
    sendForJson<ModelCheckpoint>(connection, {
      method,
      path: `/api/v1/checkpoints/${encodeURIComponent(id)}${rest}`,
      ...options,
    });
  return {
    get: (id: string, options: CallOptions = {}) => send('GET', id, '', options),

    /** Keeps it, whatever a policy says. @throws TrainyardError CONFLICT when it is gone or being deleted */
    pin: (id: string, options: CallOptions = {}) => send('PUT', id, '/pin', options),

    unpin: (id: string, options: CallOptions = {}) => send('DELETE', id, '/pin', options),

    /** Asks that its files are deleted at the next occasion. @throws TrainyardError CONFLICT while it is pinned */
    remove: (id: string, options: CallOptions = {}) => send('DELETE', id, '', options),
  };
}
