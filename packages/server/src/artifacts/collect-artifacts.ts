import type { ServerConfig } from '@trainyard/protocol';
import type { Pool } from 'pg';
import {
  forgetUnusedBlobs,
  forgetUploads,
  removeOldArtifacts,
  removeOldVersions,
  unknownKeys,
  unknownUploads,
} from '../store/artifact-collection.ts';
import { asOnlyServer } from '../store/log-removals.ts';
import type { BlobStore } from './blob-store.ts';
import type { Staging } from './staging.ts';

/** An upload that is not complete by then is over. */
const UPLOAD_MS = 3 * 86_400_000;
/** Content stays so long after the last reference to it was made. */
const UNUSED_MS = 3_600_000;
/** What is in the store without a row was left by a fault, unless it is being put at this moment. */
const STRAY_MS = 86_400_000;
/** The whole store is listed for strays. */
const STRAYS_EVERY_MS = 86_400_000;

/** Removes what nobody needs: old artifacts as configured, content without references, uploads that were given up. */
export class ArtifactCollector {
  readonly #pool: Pool;
  readonly #store: BlobStore;
  readonly #staging: Staging;
  readonly #retention: ServerConfig['retention']['artifacts'];
  #strayRoundAtMs: number | undefined;

  constructor(options: {
    readonly pool: Pool;
    readonly store: BlobStore;
    readonly staging: Staging;
    readonly retention: ServerConfig['retention']['artifacts'];
  }) {
    this.#pool = options.pool;
    this.#store = options.store;
    this.#staging = options.staging;
    this.#retention = options.retention;
  }

  /** One round: a bounded part of what there is. */
  async round(nowMs: number): Promise<void> {
    const { maxAge, maxVersions } = this.#retention;
    await asOnlyServer(this.#pool, async (client) => {
      if (maxAge !== undefined) await removeOldArtifacts(client, new Date(nowMs - maxAge));
      if (maxVersions !== undefined) await removeOldVersions(client, maxVersions);
    });
    for (const key of await forgetUnusedBlobs(this.#pool, new Date(nowMs - UNUSED_MS))) {
      await this.#store.remove({ key });
    }
    for (const id of await forgetUploads(this.#pool, new Date(nowMs - UPLOAD_MS)))
      await this.#staging.remove(id);
    await this.#removeStrayUploads(nowMs);
    if (this.#strayRoundAtMs !== undefined && nowMs - this.#strayRoundAtMs < STRAYS_EVERY_MS) return;
    this.#strayRoundAtMs = nowMs;
    await this.#removeStrays(nowMs);
  }

  async #removeStrayUploads(nowMs: number): Promise<void> {
    const idle = await this.#staging.idle(new Date(nowMs - STRAY_MS));
    for (const id of await unknownUploads(this.#pool, idle)) await this.#staging.remove(id);
  }

  async #removeStrays(nowMs: number): Promise<void> {
    for await (const keys of this.#store.list({ putBefore: new Date(nowMs - STRAY_MS) })) {
      for (const key of await unknownKeys(this.#pool, keys)) await this.#store.remove({ key });
    }
  }
}
