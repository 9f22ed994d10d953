/** What is known of a small chunk without reading its data. */
export interface ChunkHeader {
  readonly id: number;
  readonly attempt: number;
  readonly count: number;
  /** How many larger chunks of the attempt begin before it: equal for chunks with none of those between. */
  readonly largerBefore: number;
}

/** Chunks with fewer points are candidates. */
export const SMALL_CHUNK_POINTS = 1024;
/** Chunks below this are merged at every occasion. */
const TINY_CHUNK_POINTS = 32;
/** So many chunks between tiny and small are merged at once: a point is rewritten about three times. */
const MERGE_AT_CHUNKS = 16;

/**
 * Which small chunks of one series to merge with each other: only those of one attempt, and only
 * neighbours, because a chunk over a wide range of steps would have to be decoded for every chart.
 * @param chunks the series' small chunks
 * @param everything merge all that can be: the attempt has ended
 */
export function planMerges(chunks: readonly ChunkHeader[], everything: boolean): number[][] {
  const groups: number[][] = [];
  const neighbours = Map.groupBy(chunks, (chunk) => `${chunk.attempt} ${chunk.largerBefore}`);
  for (const own of neighbours.values()) {
    const tiny = own.filter((chunk) => chunk.count < TINY_CHUNK_POINTS);
    const all = everything || own.length - tiny.length >= MERGE_AT_CHUNKS;
    const group = all ? own : tiny;
    if (group.length > 1) groups.push(group.map((chunk) => chunk.id).sort((a, b) => a - b));
  }
  return groups;
}
