import type { StepInterval } from './pyramid-shape.ts';
import type { ChunkSummaryRow } from './read-sql.ts';

/** A chunk that must be decoded. */
interface DecodedChunk {
  readonly id: number;
  /** Its points are drawn; otherwise its header is, and only its steps are of use. */
  readonly counts: boolean;
  /** Its steps may replace points of older attempts. */
  readonly covers: boolean;
}

export interface ChartPlan {
  /** Chunks that their header answers. */
  readonly whole: readonly ChunkSummaryRow[];
  /** Chunks to decode, by attempt, the newest attempt first. */
  readonly decoded: readonly (readonly DecodedChunk[])[];
}

/**
 * Decides which chunks of one series must be decoded for a chart.
 * @param fitsBucket whether a chunk lies inside of one bucket
 */
export function planChart(
  chunks: readonly ChunkSummaryRow[],
  range: StepInterval,
  fitsBucket: (chunk: ChunkSummaryRow) => boolean,
): ChartPlan {
  const attempts = [...new Set(chunks.map((chunk) => chunk.attempt))].sort((a, b) => b - a);
  const repeated = attempts.length > 1 ? findRepeated(chunks) : undefined;
  const whole: ChunkSummaryRow[] = [];
  const decoded = attempts.map((attempt) => {
    const layer: DecodedChunk[] = [];
    for (const chunk of chunks) {
      if (chunk.attempt !== attempt) continue;
      const inRange = chunk.firstStep >= range.firstStep && chunk.lastStep <= range.lastStep;
      const counts =
        !inRange || !chunk.isSummed || !fitsBucket(chunk) || repeated?.older.has(chunk.id) === true;
      const covers = repeated?.newer.has(chunk.id) === true;
      if (!counts) whole.push(chunk);
      if (counts || covers) layer.push({ id: chunk.id, counts, covers });
    }
    return layer;
  });
  return { whole, decoded };
}

/** Ids of chunks that share steps, perhaps, with a chunk of a newer (`older`) or older (`newer`) attempt. */
function findRepeated(chunks: readonly ChunkSummaryRow[]): { older: Set<number>; newer: Set<number> } {
  const older = new Set<number>();
  const newer = new Set<number>();
  const sorted = [...chunks].sort((a, b) => a.firstStep - b.firstStep);
  let open: ChunkSummaryRow[] = [];
  for (const chunk of sorted) {
    open = open.filter((other) => other.lastStep >= chunk.firstStep);
    for (const other of open) {
      if (other.attempt === chunk.attempt) continue;
      older.add(other.attempt < chunk.attempt ? other.id : chunk.id);
      newer.add(other.attempt < chunk.attempt ? chunk.id : other.id);
    }
    open.push(chunk);
  }
  return { older, newer };
}
