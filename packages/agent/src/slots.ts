/** What an attempt occupies while its process tree exists. */
export interface Reservation {
  /** Ids for CUDA_VISIBLE_DEVICES. */
  readonly gpuIds: readonly string[];
  release(): void;
}

/**
 * The agent's slots and GPUs. Never more than `slots` reservations exist and no GPU is in two of them.
 * Whoever finds no room waits, first come first served.
 */
export class Slots {
  readonly #slots: number;
  readonly #freeGpus: string[];
  readonly #waiting: Waiting[] = [];
  readonly #onFree: () => void;
  #used = 0;

  constructor(options: {
    readonly slots: number;
    readonly gpuIds: readonly string[];
    readonly onFree: () => void;
  }) {
    this.#slots = options.slots;
    this.#freeGpus = [...options.gpuIds];
    this.#onFree = options.onFree;
  }

  /** Slots that may be asked work for: those that are free and that nobody waits for. */
  get free(): number {
    return Math.max(0, this.#slots - this.#used - this.#waiting.length);
  }

  get freeGpus(): number {
    const wanted = this.#waiting.reduce((sum, { gpus }) => sum + gpus, 0);
    return Math.max(0, this.#freeGpus.length - wanted);
  }

  get used(): number {
    return this.#used;
  }

  /** Waits for one slot and `gpus` GPUs. @throws the signal's reason when it fires first */
  async reserve(gpus: number, signal: AbortSignal): Promise<Reservation> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason);
        this.#serve();
      };
      const waiting: Waiting = {
        gpus,
        take: (gpuIds) => {
          signal.removeEventListener('abort', onAbort);
          resolve(this.#reservation(gpuIds));
        },
      };
      this.#waiting.push(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#serve();
    });
  }

  /**
   * Takes what an adopted attempt occupies already, also beyond the limit: it runs, whatever the limit is
   * now. New work waits until the number is below the limit again.
   */
  occupy(gpuIds: readonly string[]): Reservation {
    for (const id of gpuIds) {
      const at = this.#freeGpus.indexOf(id);
      if (at >= 0) this.#freeGpus.splice(at, 1);
    }
    this.#used += 1;
    return this.#release(gpuIds);
  }

  #serve(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#used >= this.#slots || this.#freeGpus.length < first.gpus) return;
      this.#waiting.shift();
      first.take(this.#freeGpus.splice(0, first.gpus));
    }
  }

  #reservation(gpuIds: readonly string[]): Reservation {
    this.#used += 1;
    return this.#release(gpuIds);
  }

  #release(gpuIds: readonly string[]): Reservation {
    let held = true;
    return {
      gpuIds,
      release: () => {
        if (!held) return;
        held = false;
        this.#used -= 1;
        this.#freeGpus.push(...gpuIds);
        this.#serve();
        this.#onFree();
      },
    };
  }
}

interface Waiting {
  readonly gpus: number;
  take(gpuIds: readonly string[]): void;
}
