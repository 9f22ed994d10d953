/** The levels of a training, from the outermost to the innermost. */
export const LEVELS = ['run', 'epoch', 'batch'] as const;
export type LevelKind = (typeof LEVELS)[number];

/** One run, epoch or batch. */
export interface Level {
  readonly kind: LevelKind;
  /** Number of the epoch or batch as the program counts; 0 of a run. */
  readonly index: number;
  /** Of its metrics: that number, unless the program says another one. */
  readonly step: number;
  readonly parent: Level | null;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
}

/** `stopped` ended early because somebody wanted it; it is no failure. */
export type LevelStatus = 'completed' | 'stopped' | 'failed' | 'cancelled';

export interface LevelEnd {
  readonly status: LevelStatus;
  /** Epoch milliseconds. */
  readonly endedAtMs: number;
  /** What failed, and where. */
  readonly error?: ErrorReport;
  /** Why it ended early. */
  readonly reason?: string;
}

/** An error as it is recorded: enough to find it, without the program. */
export interface ErrorReport {
  readonly type: string;
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly function?: string;
  readonly stack?: string;
}

/** Where and what an error is; the place is that of the first frame outside of Node and of libraries. */
export function errorReport(error: unknown): ErrorReport {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const own = frames.find((line) => !/node:internal|node:|node_modules/.test(line)) ?? frames[0];
  const found = own?.match(
    /^\s+at (?:(?:async )?(?<name>[^(]+) \()?(?:file:\/\/)?(?<file>[^()]+?):(?<line>\d+):\d+\)?$/,
  );
  const { name, file, line } = found?.groups ?? {};
  return {
    type: error.name,
    message: error.message,
    ...(file !== undefined && { file }),
    ...(line !== undefined && { line: Number(line) }),
    ...(name !== undefined && { function: name }),
    ...(error.stack !== undefined && { stack: error.stack }),
  };
}
