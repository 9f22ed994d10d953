/** What an attempt occupies while its process tree exists. */
export interface Reservation {
  /** Ids for CUDA_VISIBLE_DEVICES. */
  readonly gpuIds: readonly string[];
  release(): void;
}

interface Waiting {
  readonly gpus: number;
  take(gpuIds: readonly string[]): void;
}

/** Slots that certain queues have for themselves. */
interface Lane {
  readonly slots: number;
  readonly waiting: Waiting[];
  used: number;
}

/**
 * The agent's slots and GPUs. Slots are in lanes, so that work of one kind never waits for another; GPUs are
 * common to all. No lane has more reservations than slots, and no GPU is in two of them. Whoever finds no
 * room waits, first come first served within its lane.
 */
export class Slots {
  readonly #lanes: readonly Lane[];
  readonly #freeGpus: string[];
  readonly #onFree: () => void;

  constructor(options: {
    /** Slots of each lane. */
    readonly lanes: readonly number[];
    readonly gpuIds: readonly string[];
    readonly onFree: () => void;
  }) {
    this.#lanes = options.lanes.map((slots) => ({ slots, waiting: [], used: 0 }));
    this.#freeGpus = [...options.gpuIds];
    this.#onFree = options.onFree;
  }

  /** Slots of a lane that may be asked work for: those that are free and that nobody waits for. */
  free(lane: number): number {
    const { slots, used, waiting } = this.#lane(lane);
    return Math.max(0, slots - used - waiting.length);
  }

  get freeGpus(): number {
    const wanted = this.#lanes.flatMap(({ waiting }) => waiting).reduce((sum, { gpus }) => sum + gpus, 0);
    return Math.max(0, this.#freeGpus.length - wanted);
  }

  get used(): number {
    return this.#lanes.reduce((sum, { used }) => sum + used, 0);
  }

  /** Waits for one slot of the lane and `gpus` GPUs. @throws the signal's reason when it fires first */
  async reserve(lane: number, gpus: number, signal: AbortSignal): Promise<Reservation> {
    signal.throwIfAborted();
    const from = this.#lane(lane);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        from.waiting.splice(from.waiting.indexOf(waiting), 1);
        reject(signal.reason);
        this.#serve();
      };
      const waiting: Waiting = {
        gpus,
        take: (gpuIds) => {
          signal.removeEventListener('abort', onAbort);
          from.used += 1;
          resolve(this.#reservation(from, gpuIds));
        },
      };
      from.waiting.push(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#serve();
    });
  }

  /**
   * Takes what an adopted attempt occupies already, also beyond the limit: it runs, whatever the limit is
   * now. New work waits until the number is below the limit again.
   */
  occupy(lane: number, gpuIds: readonly string[]): Reservation {
    for (const id of gpuIds) {
      const at = this.#freeGpus.indexOf(id);
      if (at >= 0) this.#freeGpus.splice(at, 1);
    }
    const of = this.#lane(lane);
    of.used += 1;
    return this.#reservation(of, gpuIds);
  }

  #serve(): void {
    for (const lane of this.#lanes) {
      for (let first = lane.waiting[0]; first !== undefined; first = lane.waiting[0]) {
        if (lane.used >= lane.slots || this.#freeGpus.length < first.gpus) break;
        lane.waiting.shift();
        first.take(this.#freeGpus.splice(0, first.gpus));
      }
    }
  }

  #reservation(lane: Lane, gpuIds: readonly string[]): Reservation {
    let held = true;
    return {
      gpuIds,
      release: () => {
        if (!held) return;
        held = false;
        lane.used -= 1;
        this.#freeGpus.push(...gpuIds);
        this.#serve();
        this.#onFree();
      },
    };
  }

  #lane(lane: number): Lane {
    return this.#lanes[lane] ?? this.#lanes[0]!;
  }
}
