import type { JsonValue } from './definition/values.ts';

/**
 * What a function of a `function` stage gets as its second argument (docs/guides/stage-kinds.md). Import the
 * type only: it is erased, so the module needs no package.
 */
export interface StageFunctionContext {
  readonly runId: string;
  readonly rootRunId: string;
  /** Path of the stage, for example "sweep/large". */
  readonly stage: string;
  /** From 1. */
  readonly attempt: number;
  readonly params: Readonly<Record<string, JsonValue>>;
  /** Absolute paths. */
  readonly paths: {
    readonly attemptDir: string;
    readonly metricsDir: string;
    readonly workingDir: string;
  };
  /** Writes a line to the log of the stage; what is not text is written as JSON. */
  log(...parts: readonly unknown[]): void;
  /** Records values of metrics at a step (a whole number from 0). */
  metric(step: number, values: Readonly<Record<string, number>>): void;
  /** Records a dataset version; `path` is relative to the working directory. */
  dataset(record: {
    readonly name: string;
    readonly path: string;
    readonly role?: 'input' | 'output';
    readonly rows?: number;
  }): void;
  /**
   * Fires when the stage is to end (cancel, timeout). A function that never asks for it is ended at once,
   * one that does has the stage's `grace` to come to its end.
   */
  readonly signal: AbortSignal;
}
