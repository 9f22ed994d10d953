/**
 * Until when this agent may run each attempt without hearing from the server. Times are of the monotonic
 * clock. A lease counts from the moment when the request that renewed it was sent, so that the agent never
 * believes in a lease for longer than the server does.
 */
export class Leases {
  readonly #lostGraceMs: number;
  readonly #renewed = new Map<string, { sentAtMs: number; leaseMs: number }>();

  constructor(options: { readonly lostGraceMs: number }) {
    this.#lostGraceMs = options.lostGraceMs;
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
    return Math.min(graceMs, this.#lostGraceMs * (2 / 3));
  }

  /**
   * True when the program must be ended now, to be gone before the server may start the next attempt: a
   * fifth of the time between the end of the lease and that moment stays as reserve.
   */
  mustEnd(attemptId: string, graceMs: number, nowMs: number): boolean {
    const lease = this.#renewed.get(attemptId);
    if (lease === undefined) return false;
    const lostAtMs = lease.sentAtMs + lease.leaseMs + this.#lostGraceMs;
    return nowMs >= lostAtMs - this.#lostGraceMs * 0.2 - this.partitionGraceMs(graceMs);
  }
}
