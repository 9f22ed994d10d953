import { ChunkRoom } from './chunk-room.ts';

/** Lets a limited number of streams read and send a chunk at the same time: what bounds the agent's memory. */
export class AppendGate {
  /** Of those who are not inside; the one used last is last, so that few are used when few want in. */
  readonly #free: ChunkRoom[];
  readonly #waiting: ((room: ChunkRoom) => void)[] = [];
  #sweep: NodeJS.Timeout | undefined;

  constructor(width: number) {
    this.#free = Array.from({ length: width }, () => new ChunkRoom());
  }

  /**
   * Runs `work` when there is room, in the order of the calls.
   * @param work reads into the room that it is given, which is another's when its promise is settled
   */
  async pass<T>(work: (room: ChunkRoom) => Promise<T>): Promise<T> {
    const room = this.#free.pop() ?? (await new Promise<ChunkRoom>((enter) => this.#waiting.push(enter)));
    try {
      return await work(room);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#leave(room);
      else next(room);
    }
  }

  #leave(room: ChunkRoom): void {
    this.#free.push(room);
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      for (const each of this.#free) each.release();
    }, RELEASE_AFTER_MS).unref();
  }
}

/** Large chunks follow each other closely. */
const RELEASE_AFTER_MS = 1000;
