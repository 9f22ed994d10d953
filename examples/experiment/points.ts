import type { SeededRandom } from '@trainyard/training';

/** Two clouds of points in the plane, one after the other in equal numbers. */
export interface Points {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** 0 or 1. */
  readonly labels: Uint8Array;
}

/** @param count of each cloud */
export function makePoints(count: number, random: SeededRandom): Points {
  const total = 2 * count;
  const points = { x: new Float64Array(total), y: new Float64Array(total), labels: new Uint8Array(total) };
  const spread = () => random.normal() / 2;
  for (let at = 0; at < total; at += 1) {
    const label = at < count ? 0 : 1;
    points.labels[at] = label;
    points.x[at] = label + spread();
    points.y[at] = label + spread();
  }
  return points;
}
