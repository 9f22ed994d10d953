import type { ServerConfig } from '@trainyard/protocol';
import type { ClientBase, Pool } from 'pg';
import {
  asOnlyServer,
  forgetDeletedAttempts,
  oldestTrees,
  type RemovableKind,
  removeStreams,
  storedLogBytes,
} from '../store/log-removals.ts';
import type { RemovalReason } from '../store/stream-schema.ts';

/** Chunks that one round removes; what is left goes with the next. A tree without any counts as one. */
const CHUNKS_PER_ROUND = 20_000;
const TREES_PER_LOOK = 100;
/** All streams are read through for it. */
const MEASURE_EVERY_MS = 10 * 60_000;
/** An agent that was away for longer keeps the directories of deleted runs until its own retention. */
const REMEMBER_DELETED_MS = 90 * 86_400_000;

/** Removes what the configuration says of runs that have ended, a bounded part at a time. */
export class Retention {
  readonly #pool: Pool;
  readonly #settings: Omit<ServerConfig['retention'], 'artifacts'>;
  #measuredAtMs: number | undefined;
  /** By how much all logs are larger than they may be, as far as it is known. */
  #excessBytes = 0;

  constructor(pool: Pool, settings: Omit<ServerConfig['retention'], 'artifacts'>) {
    this.#pool = pool;
    this.#settings = settings;
  }

  /** One round. */
  async round(nowMs: number): Promise<void> {
    const { logs, metricFiles } = this.#settings;
    await asOnlyServer(this.#pool, async (client) => {
      let left = CHUNKS_PER_ROUND;
      left -= await this.#byAge(client, 'logs', logs.maxAge, nowMs, left);
      left -= await this.#byAge(client, 'metricFiles', metricFiles.maxAge, nowMs, left);
      if (logs.maxSize !== undefined) await this.#bySize(client, logs.maxSize, nowMs, left);
      await forgetDeletedAttempts(client, new Date(nowMs - REMEMBER_DELETED_MS));
    });
  }

  async #byAge(
    client: ClientBase,
    kind: RemovableKind,
    maxAgeMs: number | undefined,
    nowMs: number,
    maxChunks: number,
  ): Promise<number> {
    if (maxAgeMs === undefined) return 0;
    const limits = { endedBefore: new Date(nowMs - maxAgeMs), because: 'age', maxChunks } as const;
    return this.#remove(client, kind, limits, () => true);
  }

  async #bySize(client: ClientBase, maxBytes: number, nowMs: number, maxChunks: number): Promise<void> {
    if (this.#measuredAtMs === undefined || nowMs - this.#measuredAtMs >= MEASURE_EVERY_MS) {
      this.#excessBytes = (await storedLogBytes(client)) - maxBytes;
      this.#measuredAtMs = nowMs;
    }
    const limits = { endedBefore: new Date(nowMs), because: 'size', maxChunks } as const;
    await this.#remove(client, 'logs', limits, () => this.#excessBytes > 0);
  }

  /** @returns how many chunks went */
  async #remove(
    client: ClientBase,
    kind: RemovableKind,
    limits: { readonly endedBefore: Date; readonly because: RemovalReason; readonly maxChunks: number },
    isWanted: () => boolean,
  ): Promise<number> {
    let chunks = 0;
    while (isWanted()) {
      const trees = await oldestTrees(client, kind, limits.endedBefore, TREES_PER_LOOK);
      for (const rootId of trees) {
        const maxChunks = limits.maxChunks - chunks;
        if (maxChunks <= 0 || !isWanted()) return chunks;
        const removed = await removeStreams(client, { kind, rootId, because: limits.because, maxChunks });
        chunks += Math.max(1, removed.chunks);
        if (kind === 'logs') this.#excessBytes -= removed.bytes;
        if (!removed.isDone) return chunks;
      }
      if (trees.length < TREES_PER_LOOK) return chunks;
    }
    return chunks;
  }
}
