/** Time as the in-process runner sees it. Instants are epoch ms. */
export interface Clock {
  now(): number;
  /** Calls back once, not before `at`; the function returned takes that back. */
  setTimer(at: number, callback: () => void): () => void;
}

/** A timer of the platform counts in 32 bits; later instants are reached in several hops. */
const LONGEST_HOP_MS = 2_147_483_647;

/** The clock and the timers of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(at, callback) {
    let handle: ReturnType<typeof setTimeout>;
    const hop = (): void => {
      const leftMs = at - Date.now();
      handle = setTimeout(leftMs <= LONGEST_HOP_MS ? callback : hop, Math.min(leftMs, LONGEST_HOP_MS));
    };
    hop();
    return () => clearTimeout(handle);
  },
};
