import type { MetricPoint } from '@trainyard/protocol';
import { type Curve, mergePoints } from './series.ts';

/** Live points of one run and key kept until the next answer over HTTP contains them. */
const MAX_PENDING = 20_000;
/** Least time between two drawings of a chart. */
export const REDRAW_MS = 250;

/**
 * The curves of one chart panel: what was read over HTTP, and the live points since. Readers are told at
 * most four times a second.
 */
export class CurveStore {
  readonly #base = new Map<string, Curve>();
  readonly #live = new Map<string, MetricPoint[]>();
  readonly #merged = new Map<string, Curve>();
  readonly #listeners = new Set<() => void>();
  #version = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  get version(): number {
    return this.#version;
  }

  watch = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Curves as the server answered. Live points that came while the request was under way stay on top. */
  setBase(curves: readonly Curve[]): void {
    for (const curve of curves) {
      const id = idOf(curve.runId, curve.key);
      this.#base.set(id, curve);
      this.#merged.delete(id);
    }
    this.#announce();
  }

  addPoints(runId: string, points: Readonly<Record<string, readonly MetricPoint[]>>): void {
    for (const [key, fresh] of Object.entries(points)) {
      const id = idOf(runId, key);
      const known = this.#live.get(id) ?? [];
      known.push(...fresh);
      if (known.length > MAX_PENDING) known.splice(0, known.length - MAX_PENDING);
      this.#live.set(id, known);
      const merged = this.#merged.get(id);
      if (merged !== undefined) this.#merged.set(id, mergePoints(merged, fresh));
    }
    this.#announce();
  }

  /** Keys that live points have brought. */
  liveKeys(): string[] {
    return [...new Set([...this.#live.keys()].map((id) => id.slice(id.indexOf('\n') + 1)))];
  }

  curve(runId: string, key: string): Curve {
    const id = idOf(runId, key);
    const merged = this.#merged.get(id);
    if (merged !== undefined) return merged;
    const fresh = mergePoints(this.#base.get(id) ?? { runId, key, points: [] }, this.#live.get(id) ?? []);
    this.#merged.set(id, fresh);
    return fresh;
  }

  #announce(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#version += 1;
      for (const listener of this.#listeners) listener();
    }, REDRAW_MS);
  }
}

function idOf(runId: string, key: string): string {
  return `${runId}\n${key}`;
}
