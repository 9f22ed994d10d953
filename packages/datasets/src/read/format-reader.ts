import type { Column } from '../column.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import type { Row } from '../dataset-value.ts';
import type { Relation } from '../duckdb/relation.ts';

export interface DatasetSchema {
  readonly columns: readonly Column[];
  /** Rows from which types were told; null where the format itself says them. */
  readonly sampledRows: number | null;
}

/** What every format can do. */
export interface FormatReader {
  schema(signal?: AbortSignal): Promise<DatasetSchema>;
  /** Rows in order, in batches of bounded size; the next one is read when it is asked for. */
  batches(signal?: AbortSignal): AsyncGenerator<Row[], void>;
  count(signal?: AbortSignal): Promise<number>;
  /** How DuckDB reads it; undefined where it cannot, and rows have to be written for it. */
  relation(signal?: AbortSignal): Promise<Relation | undefined>;
}

/** The first rows, as many as types are told from. */
export async function sampleRows(batches: AsyncGenerator<Row[], void>): Promise<Row[]> {
  const sample: Row[] = [];
  for await (const batch of batches) {
    for (const row of batch) {
      if (sample.push(row) === DATASET_LIMITS.sampleRows) return sample;
    }
  }
  return sample;
}

export async function countRows(batches: AsyncGenerator<Row[], void>): Promise<number> {
  let count = 0;
  for await (const batch of batches) count += batch.length;
  return count;
}

/** A value that is read once; a failure is not kept. */
export function once<T>(read: (signal?: AbortSignal) => Promise<T>): (signal?: AbortSignal) => Promise<T> {
  let kept: Promise<T> | undefined;
  return (signal) => {
    kept ??= read(signal).catch((error: unknown) => {
      kept = undefined;
      throw error;
    });
    return kept;
  };
}
