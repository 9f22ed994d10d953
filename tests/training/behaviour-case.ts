import type { MetricKind } from '@trainyard/training';

/** A step of a training program, the same for every language. */
export type Step =
  | {
      readonly do: 'epoch' | 'batch';
      readonly n: number;
      readonly step?: number;
      readonly steps: readonly Step[];
    }
  | { readonly do: 'beginEpoch'; readonly n: number }
  | { readonly do: 'endEpoch' }
  | {
      readonly do: 'set';
      readonly of: 'run' | 'epoch' | 'batch';
      readonly name: string;
      readonly value: Value;
    }
  /** Adds a value to those of its level. */
  | {
      readonly do: 'add';
      readonly of: 'run' | 'epoch' | 'batch';
      readonly name: string;
      readonly value: Value;
      readonly weight?: number;
    }
  | { readonly do: 'eachEpoch'; readonly count: number; readonly steps: readonly Step[] }
  /**
   * Seeded batches of 4 out of 10 items. Each sets `train_loss` to a number that is made of its items in their order,
   * and adds it to `val_loss` of its epoch.
   */
  | { readonly do: 'eachBatch'; readonly failsAt?: { readonly epoch: number; readonly batch: number } }
  | { readonly do: 'track'; readonly name: string; readonly value: Value; readonly step?: number }
  | { readonly do: 'logParams'; readonly params: Readonly<Record<string, unknown>> }
  | { readonly do: 'throw'; readonly message: string }
  | { readonly do: 'stop' | 'stopEpoch'; readonly reason: string }
  /** Steps whose errors the program handles: it notes `caught ERROR`, and goes on. */
  | { readonly do: 'attempt'; readonly steps: readonly Step[] }
  /**
   * Somebody outside ends the program while it waits for ever. The languages differ in how: by an `AbortSignal` in
   * TypeScript, by SIGTERM in Python, which raises where the program is.
   */
  | { readonly do: 'cancelled' }
  | { readonly do: 'return'; readonly value: unknown };

/** JSON, and what it does not have: numbers that are not finite by their names, tensors by how they give values. */
export type Value =
  | number
  | boolean
  | string
  | null
  | readonly Value[]
  | { readonly number: 'NaN' | 'Infinity' | '-Infinity' }
  | { readonly tensor: 'item' | 'tolist'; readonly value: Value }
  | { readonly labels: Readonly<Record<string, Value>> };

/** A callback that does one thing in one hook. */
export interface ScriptedCallback {
  readonly name: string;
  readonly isLast?: boolean;
  readonly on:
    | 'onRunStart'
    | 'onEpochStart'
    | 'onBatchStart'
    | 'onBatchEnd'
    | 'onEpochEnd'
    | 'onException'
    | 'onRunEnd';
  /** Only in the level of this number. */
  readonly n?: number;
  readonly does: 'nothing' | 'throws' | 'answers false' | 'stops' | 'stops the epoch';
}

/** Options of `EarlyStopping`, as in TypeScript; in Python they are in snake_case. */
export type EarlyStopping = { readonly earlyStopping: Readonly<Record<string, unknown>> };

/** Callbacks that look on, with their options as in TypeScript. */
export type Onlooker =
  /** The rate is 1, and half of it each time it is asked for. */
  | { readonly learningRateMonitor: { readonly every?: string } }
  | { readonly progressBar: Readonly<Record<string, unknown>> };

/** Options of `ModelCheckpoint`, and how the program saves. The directory is one for all programs of a case. */
export interface Checkpoints {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly save?: 'file' | 'directory' | 'throws' | 'nothing';
}

export interface Program {
  /** Is carried out before, in the same directory. */
  readonly before?: Program;
  /** Files of checkpoints of the program before that are then written over. */
  readonly damages?: readonly string[];
  /** Whether it resumes from the latest checkpoint that is there. */
  readonly resumes?: boolean;
  readonly checkpoints?: Checkpoints;
  /** Metrics of every so many batches are recorded. */
  readonly recordBatchesEvery?: number;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly metrics?: Readonly<Record<string, MetricKind>>;
  readonly callbacks?: readonly (ScriptedCallback | EarlyStopping | Onlooker)[];
  readonly steps: readonly Step[];
  /** Whether it is recorded by the trackers and the callback that write files, too. */
  readonly writes?: boolean;
}

/** What came of a program. */
export interface Told {
  /** Calls of a tracker and of a callback in their order, and what the program noted. */
  readonly calls: readonly string[];
  readonly warnings: readonly string[];
  readonly outcome: Outcome;
  readonly written?: Written;
  readonly kept?: Kept;
  /** Lines of the progress bar, without the time that an epoch took. */
  readonly shown?: readonly string[];
}

/** What is in the directory of checkpoints at the end. */
export interface Kept {
  readonly names: readonly string[];
  /** The newest that is whole, as its record says, without what callbacks go on from. */
  readonly latest: unknown;
  /** What Trainyard was told of. */
  readonly recorded: readonly unknown[];
}

export type Outcome =
  | { readonly status: 'completed' | 'stopped'; readonly result: unknown; readonly reason: string | null }
  | { readonly error: string };

export interface Written {
  /** Lines of the metrics file, without their time. */
  readonly metrics: readonly unknown[];
  readonly status: unknown;
  readonly csv: string;
  /** Lines of the console, without the time that the run took. */
  readonly console: readonly string[];
}

export interface BehaviourCase {
  readonly title: string;
  readonly program: Program;
  readonly expected: {
    /** All calls, or those that begin with one of `only`. */
    readonly calls?: readonly string[];
    readonly only?: readonly string[];
    readonly warnings?: readonly string[];
    readonly outcome?: Outcome | ByLanguage;
    readonly written?: Written;
    readonly kept?: Partial<Kept>;
    readonly shown?: readonly string[];
  };
}

/** Where they differ: advice on what to write is in the language of the program. */
export interface ByLanguage {
  readonly typescript: Outcome;
  readonly python: Outcome;
}
