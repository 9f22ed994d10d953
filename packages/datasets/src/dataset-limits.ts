/** Limits of reading. All sizes in bytes. */
export const DATASET_LIMITS = {
  /** Longest line, CSV record or JSON row; it has to be in memory as a whole. */
  recordBytes: 64 * 1024 * 1024,
  columns: 20_000,
  /** Nesting of lists and objects in a row. */
  depth: 100,
  /** Rows from which the types of text formats are told. */
  sampleRows: 10_000,
  /** Sample ends here, however few the rows are. */
  sampleBytes: 64 * 1024 * 1024,
  /** Files of one dataset, such as the shards of a directory. */
  files: 100_000,
  /** Small JSON files that describe a directory. */
  descriptionBytes: 16 * 1024 * 1024,
  previewRows: 1000,
} as const;

/** Limits of SQL, of profiles too. */
export const QUERY_LIMITS = {
  textLength: 100_000,
  rows: 10_000,
  /** Of a result as JSON text. */
  resultBytes: 16 * 1024 * 1024,
  /** DuckDB takes sixteen times as much memory for reading CSV. */
  csvLineBytes: 4 * 1024 * 1024,
  jsonRowBytes: 32 * 1024 * 1024,
  timeoutMs: 60_000,
  memoryMb: 512,
  threads: 2,
  /** What DuckDB may put to disk when its memory does not do. */
  spillMb: 4096,
} as const;
