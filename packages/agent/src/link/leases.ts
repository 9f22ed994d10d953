/**
 * Until when this agent may run each attempt without hearing from the server. Times are of `leaseNowMs`. A lease counts from the moment when the request that renewed it was sent, so that the agent never
 * believes in a lease for longer than the server does.
 */
export class Leases {
  readonly #lostGraceMs: number;
  readonly #isEnforced: boolean;
  readonly #renewed = new Map<string, { sentAtMs: number; leaseMs: number }>();

  /** `isEnforced` false: nobody can give the work away while this process does nothing. Then nothing must end. */
  constructor(options: { readonly lostGraceMs: number; readonly isEnforced?: boolean }) {
    this.#lostGraceMs = options.lostGraceMs;
    this.#isEnforced = options.isEnforced ?? true;
  }

  renew(attemptId: string, sentAtMs: number, leaseMs: number): void {
    const before = this.#renewed.get(attemptId);
    if (before === undefined || before.sentAtMs + before.leaseMs < sentAtMs + leaseMs) {
      this.#renewed.set(attemptId, { sentAtMs, leaseMs });
    }
  }

  forget(attemptId: string): void {
    this.#renewed.delete(attemptId);
  }

  /** Grace time that is left for a program that is ended because of a partition. */
  partitionGraceMs(graceMs: number): number {
    return Math.min(graceMs, this.#lostGraceMs * LONGEST_GRACE);
  }

  /**
   * True when the program must be ended now, to be gone before the server may start the next attempt: a
   * part of the time between the end of the lease and that moment stays as reserve.
   */
  mustEnd(attemptId: string, graceMs: number, nowMs: number): boolean {
    const lostAtMs = this.#lostAtMs(attemptId);
    return (
      lostAtMs !== undefined &&
      nowMs >= lostAtMs - this.#lostGraceMs * RESERVE - this.partitionGraceMs(graceMs)
    );
  }

  /** When somebody else has to end the program, because this agent has not: it is stopped, or gone. */
  guardedUntilMs(attemptId: string): number | undefined {
    const lostAtMs = this.#lostAtMs(attemptId);
    return lostAtMs === undefined ? undefined : lostAtMs - this.#lostGraceMs * GUARD_RESERVE;
  }

  /** From when on the server may start the next attempt. */
  #lostAtMs(attemptId: string): number | undefined {
    const lease = this.#renewed.get(attemptId);
    if (lease === undefined || !this.#isEnforced) return undefined;
    return lease.sentAtMs + lease.leaseMs + this.#lostGraceMs;
  }
}

/** Parts of the time between the end of the lease and the loss. */
const LONGEST_GRACE = 0.4;
const RESERVE = 0.55;
const GUARD_RESERVE = 0.4;
