import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  ARTIFACT_LIMITS,
  type Artifact,
  type ArtifactUpload,
  type BeginArtifactUpload,
  TrainyardError,
} from '@trainyard/protocol';
import type { Pool } from 'pg';
import { deleteUpload, findUpload, insertUpload, type StoredUpload } from '../store/artifact-uploads.ts';
import {
  type ArtifactOwner,
  addArtifact,
  findArtifact,
  type NewArtifact,
  UnknownContent,
} from '../store/artifacts.ts';
import type { BlobStore } from './blob-store.ts';
import { contentTypeOf } from './content-type.ts';
import { gap, type Staging } from './staging.ts';

export interface ArtifactsOptions {
  readonly pool: Pool;
  readonly store: BlobStore;
  readonly staging: Staging;
  readonly maxFileBytes: number;
  /** Ends what is being put when the server stops. */
  readonly stopping: AbortSignal;
}

/** Files of runs, however they come. Content is kept once; a path has versions. */
export class Artifacts {
  /** Where content is kept, for people. */
  readonly place: string;
  readonly maxFileBytes: number;
  readonly #pool: Pool;
  readonly #store: BlobStore;
  readonly #staging: Staging;
  readonly #stopping: AbortSignal;
  /** Uploads that are being completed here. */
  readonly #completing = new Map<string, Promise<Artifact>>();

  constructor(options: ArtifactsOptions) {
    this.#pool = options.pool;
    this.#store = options.store;
    this.place = options.store.place;
    this.#staging = options.staging;
    this.maxFileBytes = options.maxFileBytes;
    this.#stopping = options.stopping;
  }

  /**
   * Takes a whole file in one go. Nothing is kept of one that breaks off.
   * @param file.sha256 what it must have; a file that has not is refused
   * @throws TrainyardError INVALID_REQUEST, TOO_LARGE, STORAGE_FULL, STORAGE_FAILED, CONFLICT
   */
  async put(file: {
    readonly owner: ArtifactOwner;
    readonly path: string;
    readonly bytes: Readable;
    readonly contentType?: string | undefined;
    readonly sha256?: string | undefined;
  }): Promise<Artifact> {
    const id = `put_${randomBytes(16).toString('hex')}`;
    try {
      const limit = { maxBytes: this.maxFileBytes, maxPartBytes: this.maxFileBytes };
      const sizeBytes = await this.#staging.append({ id, offset: 0, bytes: file.bytes, ...limit });
      const sha256 = await this.#staging.sha256(id);
      if (file.sha256 !== undefined && file.sha256 !== sha256)
        throw otherContent(file.path, file.sha256, sha256);
      const { owner, path, contentType = contentTypeOf(path) } = file;
      return await this.#keep(id, { owner, path, sha256, sizeBytes, contentType });
    } finally {
      await this.#staging.remove(id);
    }
  }

  /** Begins an upload in parts; complete at once if its content is there already. @throws as `put` */
  async begin(owner: ArtifactOwner, wanted: BeginArtifactUpload): Promise<ArtifactUpload> {
    const { path, sizeBytes, sha256, contentType = contentTypeOf(path) } = wanted;
    if (sizeBytes > this.maxFileBytes) throw tooLarge(path, sizeBytes, this.maxFileBytes);
    const upload = await insertUpload(this.#pool, { owner, path, sizeBytes, contentType });
    if (sha256 === undefined) return this.#shown(upload);
    const known = await this.#known({ owner, path, sha256, sizeBytes, contentType, uploadId: upload.id });
    return this.#shown(upload, known);
  }

  /** @throws TrainyardError NOT_FOUND */
  async upload(id: string): Promise<ArtifactUpload> {
    const upload = await this.find(id);
    if (upload.version === null) return this.#shown(upload);
    const found = await findArtifact(this.#pool, upload.owner.id, upload.path, upload.version);
    if (found === undefined) throw noUpload(id);
    return this.#shown(upload, found.artifact);
  }

  /** Adds a part. @returns how many bytes are there @throws as `Staging.append`, NOT_FOUND */
  async append(part: {
    readonly id: string;
    readonly offset: number;
    readonly bytes: Readable;
  }): Promise<number> {
    const { sizeBytes, version } = await this.find(part.id);
    if (version !== null) {
      part.bytes.resume();
      return sizeBytes;
    }
    const { partBytes: maxPartBytes } = ARTIFACT_LIMITS;
    return this.#staging.append({ ...part, maxBytes: sizeBytes, maxPartBytes });
  }

  /**
   * Makes an artifact of what has arrived. Again for the same upload: the same answer.
   * @throws TrainyardError STREAM_GAP while bytes are missing, CONFLICT when they are others, and as `put`
   */
  complete(id: string, sha256: string): Promise<Artifact> {
    const before = this.#completing.get(id);
    const done = (async () => {
      await before?.catch(() => {});
      return this.#complete(id, sha256);
    })();
    this.#completing.set(id, done);
    const forget = () => {
      if (this.#completing.get(id) === done) this.#completing.delete(id);
    };
    done.then(forget, forget);
    return done;
  }

  async #complete(id: string, sha256: string): Promise<Artifact> {
    const { artifact } = await this.upload(id);
    if (artifact !== null) {
      if (artifact.sha256 === sha256) return artifact;
      throw otherContent(artifact.path, sha256, artifact.sha256);
    }
    const { owner, path, sizeBytes, contentType } = await this.find(id);
    if (sizeBytes === 0) {
      await this.#staging.append({ id, offset: 0, bytes: Readable.from([]), maxBytes: 0, maxPartBytes: 0 });
    }
    const received = await this.#staging.sizeOf(id);
    if (received !== sizeBytes) throw gap(received);
    const actual = await this.#staging.sha256(id);
    if (actual !== sha256) {
      await this.abort(id);
      throw otherContent(path, sha256, actual);
    }
    const kept = await this.#keep(id, { owner, path, sha256, sizeBytes, contentType, uploadId: id });
    await this.#staging.remove(id);
    return kept;
  }

  /** Forgets an upload with what has arrived of it. */
  async abort(id: string): Promise<void> {
    await deleteUpload(this.#pool, id);
    await this.#staging.remove(id);
  }

  /** @throws TrainyardError NOT_FOUND */
  async find(id: string): Promise<StoredUpload> {
    const upload = await findUpload(this.#pool, id);
    if (upload === undefined) throw noUpload(id);
    return upload;
  }

  /** The bytes of a version from `firstByte` to before `endByte`. @throws TrainyardError STORAGE_FAILED */
  read(part: {
    readonly storageKey: string;
    readonly firstByte: number;
    readonly endByte: number;
  }): Promise<Readable> {
    const { storageKey: key, ...range } = part;
    return this.#store.read({ key, ...range });
  }

  /** Content that the store has need not be put again. */
  async #known(added: Omit<NewArtifact, 'storageKey'>): Promise<Artifact | undefined> {
    try {
      return (await addArtifact(this.#pool, { ...added, storageKey: undefined })).artifact;
    } catch (error) {
      if (error instanceof UnknownContent) return undefined;
      throw error;
    }
  }

  async #keep(staged: string, added: Omit<NewArtifact, 'storageKey'>): Promise<Artifact> {
    const known = await this.#known(added);
    if (known !== undefined) return known;
    const { sha256, sizeBytes } = added;
    const key = `${sha256.slice(0, 2)}/${sha256}.${randomBytes(8).toString('hex')}`;
    const file = this.#staging.fileOf(staged);
    await this.#store.put({ key, file, sizeBytes, signal: this.#stopping });
    // Nobody else can have this key, so what is left over by a fault here can be told from what is used.
    const { artifact, storageKey } = await addArtifact(this.#pool, { ...added, storageKey: key });
    if (storageKey !== key) await this.#store.remove({ key });
    return artifact;
  }

  async #shown(upload: StoredUpload, artifact: Artifact | null = null): Promise<ArtifactUpload> {
    const { id, owner, path, sizeBytes } = upload;
    return {
      id,
      runId: owner.id,
      path,
      sizeBytes,
      receivedBytes: artifact === null ? await this.#staging.sizeOf(id) : sizeBytes,
      maxPartBytes: ARTIFACT_LIMITS.partBytes,
      artifact,
    };
  }
}

function noUpload(id: string): TrainyardError {
  return new TrainyardError(
    'NOT_FOUND',
    `There is no upload ${id}: it was ended, or not gone on with for too long. Begin it anew.`,
  );
}

function otherContent(path: string, expected: string, actual: string): TrainyardError {
  return new TrainyardError(
    'CONFLICT',
    `"${path}" has arrived with the SHA-256 ${actual}, not ${expected}: it was changed on the way, or while it was sent. Nothing was kept; send it again.`,
  );
}

function tooLarge(path: string, sizeBytes: number, maxBytes: number): TrainyardError {
  return new TrainyardError(
    'TOO_LARGE',
    `"${path}" has ${sizeBytes} bytes; this server takes files of at most ${maxBytes} (artifacts.maxFileSize in its configuration).`,
  );
}
