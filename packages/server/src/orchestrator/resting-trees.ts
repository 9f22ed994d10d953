const FIRST_REST_MS = 1000;
const LONGEST_REST_MS = 60_000;

/**
 * Trees that failed by themselves: they are left alone for a while, longer each time, so that what cannot be
 * read or written takes nothing from the others, and goes on by itself once it can.
 */
export class RestingTrees {
  readonly #rests = new Map<string, { readonly untilMs: number; readonly lastMs: number }>();

  /** Gives how long the tree is left alone. */
  rest(rootId: string, nowMs: number): number {
    const lastMs = this.#rests.get(rootId)?.lastMs;
    const ms = lastMs === undefined ? FIRST_REST_MS : Math.min(LONGEST_REST_MS, lastMs * 2);
    this.#rests.set(rootId, { untilMs: nowMs + ms, lastMs: ms });
    return ms;
  }

  isResting(rootId: string, nowMs: number): boolean {
    const rest = this.#rests.get(rootId);
    return rest !== undefined && nowMs < rest.untilMs;
  }

  /** It works again, or is no longer ours. */
  forget(rootId: string): void {
    this.#rests.delete(rootId);
  }
}
