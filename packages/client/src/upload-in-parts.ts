import {
  type Artifact,
  type ArtifactUpload,
  type BeginArtifactUpload,
  TrainyardError,
} from '@trainyard/protocol';
import { gapSize, isAway } from './agent-errors.ts';
import { type ConnectionOptions, sendForJson } from './http.ts';
import { pause } from './pause.ts';

/** A file to upload; its bytes are asked for as they are sent, some of them again after a fault. */
export interface FileToUpload extends BeginArtifactUpload {
  /** SHA-256 of all of it. */
  readonly sha256: string;
  /** At most `length` bytes from `offset` on, and not none of them before the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Called as bytes arrive. */
  readonly onProgress?: ((receivedBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where an upload is begun and gone on with. */
export interface UploadPaths {
  readonly begin: string;
  readonly uploads: string;
}

/** One part is in memory while it is sent. */
const PART_BYTES = 8 * 1024 * 1024;
/** Faults in a row after which it is given up. */
const MAX_FAULTS = 8;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Uploads a file in parts. After a fault of the connection or the server it goes on where it stopped; an upload that the
 * server does not know any more is begun anew.
 * @throws TrainyardError CONFLICT when the file changes meanwhile, and what the server refuses
 */
export async function uploadInParts(
  connection: ConnectionOptions,
  paths: UploadPaths,
  file: FileToUpload,
): Promise<Artifact> {
  const { path, sizeBytes, sha256, contentType, signal } = file;
  const json = { path, sizeBytes, sha256, ...(contentType === undefined ? {} : { contentType }) };
  const begin = () =>
    sendForJson<ArtifactUpload>(connection, { method: 'POST', path: paths.begin, json, signal });
  let upload: ArtifactUpload | undefined;
  let offset = 0;
  for (let faults = 0; ; ) {
    try {
      if (upload === undefined) {
        upload = await begin();
        offset = upload.receivedBytes;
      }
      if (upload.artifact !== null) return upload.artifact;
      file.onProgress?.(offset);
      if (offset >= sizeBytes) {
        const done = `${paths.uploads}/${upload.id}/complete`;
        return await sendForJson<Artifact>(connection, {
          method: 'POST',
          path: done,
          json: { sha256 },
          signal,
        });
      }
      offset = await sendPart(connection, `${paths.uploads}/${upload.id}`, file, offset);
      faults = 0;
    } catch (error) {
      signal?.throwIfAborted();
      const size = gapSize(error);
      faults += 1;
      if (faults > MAX_FAULTS) throw error;
      if (size !== undefined) offset = size;
      else if (isUnknown(error) && upload !== undefined) upload = undefined;
      else if (mayPass(error)) await pause(pauseMs(faults), signal);
      else throw error;
    }
  }
}

async function sendPart(
  connection: ConnectionOptions,
  path: string,
  file: FileToUpload,
  offset: number,
): Promise<number> {
  const bytes = await file.read(offset, Math.min(PART_BYTES, file.sizeBytes - offset));
  if (bytes.length === 0) {
    throw new TrainyardError('CONFLICT', `"${file.path}" became shorter while it was sent; send it again.`);
  }
  const { signal } = file;
  const query = { offset };
  const answer = await sendForJson<{ receivedBytes: number }>(connection, {
    ...{ method: 'PUT', path, query, bytes, signal },
  });
  return answer.receivedBytes;
}

function isUnknown(error: unknown): boolean {
  return error instanceof TrainyardError && error.code === 'NOT_FOUND';
}

/** A connection that broke in the middle of a part is told by its body, too. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof TrainyardError)) return false;
  return isAway(error) || error.code === 'TOO_MANY_REQUESTS' || error.message.includes('broke off');
}

function pauseMs(faults: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** (faults - 1), LONGEST_PAUSE_MS);
}
