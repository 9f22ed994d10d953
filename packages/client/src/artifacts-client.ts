import type { Artifact, ArtifactEntry, ArtifactList } from '@trainyard/protocol';
import type { CallOptions } from './client.ts';
import { type ConnectionOptions, send, sendForJson } from './http.ts';
import { type FileToUpload, uploadInParts } from './upload-in-parts.ts';

export interface ReadArtifact extends CallOptions {
  /** The newest unless given. */
  readonly version?: number | undefined;
  /** The first byte that is wanted; default 0. */
  readonly firstByte?: number | undefined;
}

/** Files of runs. */
export function createArtifactsClient(connection: ConnectionOptions) {
  const pathOf = (runId: string, rest = '') => `/api/v1/runs/${encodeURIComponent(runId)}/artifacts${rest}`;

  async function* inFolder(runId: string, path: string, signal?: AbortSignal): AsyncGenerator<ArtifactEntry> {
    for (let cursor: string | undefined; ; ) {
      const query = { path, cursor };
      const page = await sendForJson<ArtifactList>(connection, { path: pathOf(runId), query, signal });
      yield* page.items;
      if (page.nextCursor === null) return;
      cursor = page.nextCursor;
    }
  }

  const client = {
    /** What lies directly in a folder, the outermost unless given. */
    list: (runId: string, { path = '', signal }: CallOptions & { readonly path?: string } = {}) =>
      inFolder(runId, path, signal),

    /** All files below a folder, however deep. */
    async *files(
      runId: string,
      { path = '', signal }: CallOptions & { readonly path?: string } = {},
    ): AsyncGenerator<ArtifactEntry & { isDir: false }> {
      const open = [path];
      for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
        for await (const entry of inFolder(runId, folder, signal)) {
          if (entry.isDir) open.push(entry.path);
          else yield entry;
        }
      }
    },

    /** Versions of a file, newest first. @throws TrainyardError NOT_FOUND */
    versions: async (runId: string, path: string, { signal }: CallOptions = {}) => {
      const request = { path: pathOf(runId, '/versions'), query: { path }, signal };
      return (await sendForJson<{ items: Artifact[] }>(connection, request)).items;
    },

    /** The bytes of a file, as they come. @throws TrainyardError NOT_FOUND */
    async *read(
      runId: string,
      path: string,
      { version, firstByte = 0, signal }: ReadArtifact = {},
    ): AsyncGenerator<Uint8Array, void> {
      const headers = { accept: '*/*', ...(firstByte === 0 ? {} : { range: `bytes=${firstByte}-` }) };
      const query = { path, version };
      const response = await send(connection, { path: pathOf(runId, '/file'), query, headers, signal });
      const reader = response.body?.getReader();
      try {
        for (;;) {
          const part = await reader?.read();
          if (part === undefined || part.done) return;
          yield part.value;
        }
      } finally {
        // Who stops early does not want the rest.
        await reader?.cancel().catch(() => {});
      }
    },

    /** Makes a file the newest version of its path; goes on after faults. */
    upload: (runId: string, file: FileToUpload): Promise<Artifact> =>
      uploadInParts(
        connection,
        { begin: pathOf(runId, '/uploads'), uploads: '/api/v1/artifact-uploads' },
        file,
      ),

    /** Deletes a file with all its versions, or a folder. @throws TrainyardError NOT_FOUND */
    remove: (runId: string, path: string, { signal }: CallOptions = {}) =>
      sendForJson<{ removed: number }>(connection, {
        method: 'DELETE',
        path: pathOf(runId),
        query: { path },
        signal,
      }),
  };
  return client;
}
