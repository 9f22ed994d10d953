/**
 * A repeatable source of numbers: the same seed gives the same sequence on every machine.
 * The generator is mulberry32 (public domain, Tommy Ettinger): 32 bits of state, good enough for
 * shuffles and initial weights, never for secrets.
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Shuffles in place (Fisher-Yates) and returns the same array. */
export function shuffle<A extends unknown[] | Uint32Array>(items: A, random: () => number): A {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const kept = items[last];
    items[last] = items[other] as never;
    items[other] = kept as never;
  }
  return items;
}
