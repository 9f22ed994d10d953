/** A run of another system, as an importer has read it. */
export interface SourceRun {
  /** The same whenever it is read again, and of nothing else: a second import finds the run by it. */
  readonly sourceId: string;
  readonly experiment: string;
  readonly name: string;
  readonly status: 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';
  /** Epoch milliseconds; undefined: told by its first point. */
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  readonly params: readonly SourcePair[];
  readonly tags: readonly SourcePair[];
  /** In pieces, so that a long run is never in memory as a whole. */
  points(): AsyncIterable<readonly SourcePoint[]>;
  readonly files: readonly { readonly path: string; readonly file: string }[];
  /** What of it could not be read, or has no place here; may grow while points are read. */
  readonly notes: readonly string[];
}

export interface SourcePair {
  readonly key: string;
  readonly value: string;
}

export interface SourcePoint {
  readonly key: string;
  readonly value: number;
  readonly step: number;
  /** Epoch milliseconds. */
  readonly time: number;
}
