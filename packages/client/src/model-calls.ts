import type { ModelDetails, ModelVersionInfo, RegisteredModelInfo } from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, type HttpRequest, send, sendForJson } from './http.ts';

/** Registered models, their versions and aliases. */
export function modelCalls(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  return {
    /** By name. The filter is that of the MLflow API: `name LIKE 'net%'`. */
    listModels(
      query: { filter?: string | undefined; limit?: number; cursor?: string } = {},
      options: CallOptions = {},
    ) {
      return json<Page<RegisteredModelInfo>>({ path: '/api/v1/models', query, ...options });
    },

    /** With its versions, the newest first. */
    getModel: (name: string, options: CallOptions = {}) =>
      json<ModelDetails>({ path: modelPath(name), ...options }),

    /** Moves the alias where another version has it. */
    setModelAlias: (name: string, alias: string, version: number, options: CallOptions = {}) =>
      json<ModelDetails>({ method: 'PUT', path: aliasPath(name, alias), json: { version }, ...options }),

    async deleteModelAlias(name: string, alias: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'DELETE', path: aliasPath(name, alias), ...options });
    },

    /** Makes a version of the model of a checkpoint; asked again, it is the same version. */
    registerCheckpoint: (
      name: string,
      body: { readonly checkpointId: string; readonly description?: string },
      options: CallOptions = {},
    ) =>
      json<ModelVersionInfo>({
        method: 'PUT',
        path: `${modelPath(name)}/checkpoint`,
        json: body,
        ...options,
      }),
  };
}

function modelPath(name: string): string {
  return `/api/v1/models/${encodeURIComponent(name)}`;
}

function aliasPath(name: string, alias: string): string {
  return `${modelPath(name)}/aliases/${encodeURIComponent(alias)}`;
}
