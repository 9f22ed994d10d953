/**
 * Has V8 collect all it can when the process has grown, and now and then while it is larger than it was: what a burst
 * of work leaves is otherwise kept until as much was made again, and free pages until memory is short.
 * @param collect a full collection that gives pages back; it takes a tenth of a second
 */
export function collectWhenGrown(collect: () => void): void {
  let afterLast = 0;
  let least = Number.POSITIVE_INFINITY;
  let collectedAtMs = Number.NEGATIVE_INFINITY;
  setInterval(() => {
    const resident = process.memoryUsage.rss();
    const sinceMs = performance.now() - collectedAtMs;
    const isDue =
      (resident > afterLast + GROWTH_BYTES && sinceMs > GROWN_AFTER_MS) ||
      (resident > least + GROWTH_BYTES && sinceMs > LARGE_AFTER_MS);
    if (!isDue) return;
    collect();
    collectedAtMs = performance.now();
    afterLast = process.memoryUsage.rss();
    least = Math.min(least, afterLast);
  }, LOOK_EVERY_MS).unref();
}

const GROWTH_BYTES = 4 * 1024 * 1024;
const LOOK_EVERY_MS = 500;
/** At least between two collections: at most 4 % of a core while it grows, 0.3 % while it is merely large. */
const GROWN_AFTER_MS = 2500;
const LARGE_AFTER_MS = 30_000;
