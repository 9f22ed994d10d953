import { newSecretToken } from '../auth/secret-token.ts';
import { type ClaimRequest, type HandedAttempt, laneOf } from './claim-parts.ts';

/** A new attempt that could be handed out at once. */
export interface LeasableAttempt {
  readonly queue: string;
  readonly gpus: number;
}

/** That a call gets an attempt as soon as the attempt is stored, with what its row has to say. */
export interface Lease {
  readonly agentId: string;
  readonly requestId: string;
  readonly token: string;
  readonly tokenHash: Buffer;
  /** To be called once: with the attempt when it is committed, with nothing when it is not. */
  settle(handed: HandedAttempt | undefined): void;
}

/** A call that waits and may be given attempts. */
export interface OpenCall {
  /** Takes no more leases. Resolves to what it was given, when that is settled. */
  close(): Promise<readonly HandedAttempt[]>;
}

/**
 * Calls for work that have found their queues empty and have heard of nothing since: whatever comes into the
 * queues next is theirs, so it can be stored as theirs from the beginning.
 */
export class OpenCalls {
  readonly #calls = new Set<WaitingCall>();

  /** @param onLeased called when it was given something */
  open(request: ClaimRequest, onLeased: () => void): OpenCall {
    const call = new WaitingCall(request, onLeased, () => this.#calls.delete(call));
    this.#calls.add(call);
    return call;
  }

  /**
   * Of two calls of a lane the agent has given the older one up. Resolves when what that was given is stored or
   * is not, so that the newer one finds all that belongs to its request.
   */
  async retire(lane: string): Promise<void> {
    await this.#close((call) => call.lane === lane);
  }

  /** The agent takes no more work by the calls that it has made. Resolves as `retire` does. */
  async retireAgent(agentId: string): Promise<void> {
    await this.#close((call) => call.agentId === agentId);
  }

  async #close(isMeant: (call: WaitingCall) => boolean): Promise<void> {
    await Promise.all([...this.#calls].filter(isMeant).map((call) => call.close()));
  }

  /** Undefined when no call can take it. */
  lease(attempt: LeasableAttempt): Lease | undefined {
    for (const call of this.#calls) {
      const lease = call.lease(attempt);
      if (lease !== undefined) return lease;
    }
    return undefined;
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0;
  }
}

class WaitingCall implements OpenCall {
  readonly #request: ClaimRequest;
  readonly #onLeased: () => void;
  readonly #onEnd: () => void;
  readonly #handed: HandedAttempt[] = [];
  #free: number;
  #freeGpus: number;
  /** Leases that are not settled yet. */
  #open = 0;
  #isClosed = false;
  #onSettled: (() => void)[] = [];

  constructor(request: ClaimRequest, onLeased: () => void, onEnd: () => void) {
    this.#request = request;
    this.#onLeased = onLeased;
    this.#onEnd = onEnd;
    this.#free = request.free;
    this.#freeGpus = request.freeGpus;
  }

  get lane(): string {
    return laneOf(this.#request);
  }

  get agentId(): string {
    return this.#request.agentId;
  }

  lease({ queue, gpus }: LeasableAttempt): Lease | undefined {
    const { agentId, requestId, queues } = this.#request;
    if (this.#isClosed || this.#free === 0 || gpus > this.#freeGpus || !queues.includes(queue))
      return undefined;
    this.#free -= 1;
    this.#freeGpus -= gpus;
    this.#open += 1;
    const { token, hash: tokenHash } = newSecretToken('tya');
    const settle = (handed: HandedAttempt | undefined): void => {
      this.#open -= 1;
      if (handed !== undefined) {
        this.#handed.push(handed);
      } else {
        this.#free += 1;
        this.#freeGpus += gpus;
      }
      if (this.#open === 0) this.#allSettled();
    };
    return { agentId, requestId, token, tokenHash, settle };
  }

  close(): Promise<readonly HandedAttempt[]> {
    this.#isClosed = true;
    if (this.#open === 0) {
      this.#onEnd();
      return Promise.resolve(this.#handed);
    }
    return new Promise((resolve) => this.#onSettled.push(() => resolve(this.#handed)));
  }

  #allSettled(): void {
    if (this.#handed.length > 0) this.#onLeased();
    if (this.#isClosed) this.#onEnd();
    for (const resolve of this.#onSettled.splice(0)) resolve();
  }
}
