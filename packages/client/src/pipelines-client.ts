import type {
  PipelineDiff,
  PipelineRegistered,
  PipelineVersion,
  PipelineVersionInfo,
  PipelineVersionRef,
  RegisteredPipeline,
  RegisterPipeline,
  RenderedPipeline,
  RunPipeline,
  RunPlan,
} from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, type HttpRequest, send, sendForJson } from './http.ts';

/** Registered pipelines: their versions, and runs of them. Part of the client (`client.pipelines`). */
export function createPipelinesClient(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  return {
    /**
     * Adds a version; the same content again gives the same version.
     * @throws TrainyardError INVALID_DEFINITION, CONFLICT when `expectedVersion` is not the newest
     */
    register: (name: string, body: RegisterPipeline, options: CallOptions = {}) =>
      json<PipelineRegistered>({ method: 'PUT', path: pathOf(name), json: body, ...options }),

    /** By name. */
    list: ({
      signal,
      ...query
    }: CallOptions & { archived?: boolean; limit?: number; cursor?: string } = {}) =>
      json<Page<RegisteredPipeline>>({ path: '/api/v1/pipelines', query, signal }),

    get: (name: string, options: CallOptions = {}) =>
      json<RegisteredPipeline>({ path: pathOf(name), ...options }),

    /** Newest first. */
    versions: (name: string, { signal, ...query }: CallOptions & { limit?: number; cursor?: string } = {}) =>
      json<Page<PipelineVersionInfo>>({ path: pathOf(name, 'versions'), query, signal }),

    getVersion: (name: string, version: PipelineVersionRef, options: CallOptions = {}) =>
      json<PipelineVersion>({ path: pathOf(name, `versions/${version}`), ...options }),

    diff: (
      name: string,
      query: { from: PipelineVersionRef; to: PipelineVersionRef },
      options: CallOptions = {},
    ) => json<PipelineDiff>({ path: pathOf(name, 'diff'), query, ...options }),

    /** The same idempotency key gives the same run again, also when there is a newer version by now. */
    run: (
      name: string,
      body: RunPipeline = {},
      { idempotencyKey, signal }: CallOptions & { idempotencyKey?: string } = {},
    ) =>
      json<{ id: string; version: number }>({
        method: 'POST',
        path: pathOf(name, 'runs'),
        json: body,
        headers: { 'idempotency-key': idempotencyKey ?? crypto.randomUUID() },
        signal,
      }),

    /** What `run` would start. Nothing is stored. */
    planRun: (name: string, body: RunPipeline = {}, options: CallOptions = {}) =>
      json<RunPlan>({
        method: 'POST',
        path: pathOf(name, 'runs'),
        json: { ...body, dryRun: true },
        ...options,
      }),

    /** What a run would be now; nothing is started. */
    render: (name: string, body: RunPipeline = {}, options: CallOptions = {}) =>
      json<RenderedPipeline>({ method: 'POST', path: pathOf(name, 'render'), json: body, ...options }),

    /** Refuses new runs of it until it is registered again. */
    archive: (name: string, options: CallOptions = {}) =>
      json<RegisteredPipeline>({ method: 'POST', path: pathOf(name, 'archive'), ...options }),

    /** @throws TrainyardError CONFLICT when runs or other pipelines use it */
    async delete(name: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'DELETE', path: pathOf(name), ...options });
    },
  };
}

function pathOf(name: string, part?: string): string {
  const path = `/api/v1/pipelines/${encodeURIComponent(name)}`;
  return part === undefined ? path : `${path}/${part}`;
}
