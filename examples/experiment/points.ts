/** Two clouds of points in the plane, one after the other in equal numbers. */
export interface Points {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** 0 or 1. */
  readonly labels: Uint8Array;
}

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param count of each cloud */
export function makePoints(count: number, random: () => number): Points {
  const total = 2 * count;
  const points = { x: new Float64Array(total), y: new Float64Array(total), labels: new Uint8Array(total) };
  // The sum of some even numbers is near enough to a normal one.
  const spread = () => random() + random() + random() - 1.5;
  for (let at = 0; at < total; at += 1) {
    const label = at < count ? 0 : 1;
    points.labels[at] = label;
    points.x[at] = label + spread();
    points.y[at] = label + spread();
  }
  return points;
}
