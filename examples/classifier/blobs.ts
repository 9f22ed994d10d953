/** Points of the plane that belong to one of several classes. */
export interface Blobs {
  /** x and y of each point, one after the other. */
  readonly points: Float64Array;
  /** Class of each point. */
  readonly labels: Uint8Array;
  readonly classes: number;
}

/** `perClass` points around the corners of a regular polygon, one corner for each class, the same for each seed. */
export function makeBlobs(classes: number, perClass: number, seed: number): Blobs {
  const random = seeded(seed);
  const size = classes * perClass;
  const points = new Float64Array(size * 2);
  const labels = new Uint8Array(size);
  for (let index = 0; index < size; index += 1) {
    const label = index % classes;
    const angle = (2 * Math.PI * label) / classes;
    points[index * 2] = 2 * Math.cos(angle) + normal(random);
    points[index * 2 + 1] = 2 * Math.sin(angle) + normal(random);
    labels[index] = label;
  }
  return { points, labels, classes };
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed with mean 0 and variance 0.5 (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
