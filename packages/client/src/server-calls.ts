import type { ServerInfo, ShownServerConfig } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, sendForJson } from './http.ts';

/** What the server says about itself. Part of the client. */
export function serverCalls(connection: ConnectionOptions) {
  return {
    info: (options: CallOptions = {}) =>
      sendForJson<ServerInfo>(connection, { path: '/api/v1/info', ...options }),

    /** What it was configured with. */
    config: (options: CallOptions = {}) =>
      sendForJson<ShownServerConfig>(connection, { path: '/api/v1/config', ...options }),
  };
}
