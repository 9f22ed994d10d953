import type { PipelineOptions, RunOutcome } from './pipeline-options.ts';
import { LifecycleMisuse } from './training-lifecycle.ts';
import { CARRY_OUT, TrainingProgram } from './training-program.ts';
import { requireWrapped } from './wrappers.ts';

/**
 * A training program. A subclass writes `train()`, and in it calls `epoch()` for each epoch and, if it likes,
 * `batch()` for each batch. `run()` carries it out.
 */
export abstract class Pipeline<
  Params extends object = Record<string, unknown>,
  Custom extends string = never,
  Result = unknown,
> extends TrainingProgram<Params, Custom> {
  /** @throws LifecycleMisuse when the subclass has a `run` of its own, or epochs or batches that are not recorded */
  constructor(options: PipelineOptions<Params, Custom> = {}) {
    super(options);
    if (this.run !== Pipeline.prototype.run) {
      throw new LifecycleMisuse(
        `${this.constructor.name} overrides run(), which records the run; write train() instead, which run() calls.`,
      );
    }
    requireWrapped(this);
  }

  /** What the program does. What it returns is the result of the run. */
  protected abstract train(): Result | Promise<Result>;

  /**
   * Carries the program out once.
   * @throws what the program or a callback throws, when all was recorded; RunCancelled when it was cancelled
   */
  run(): Promise<RunOutcome<Result>> {
    return this[CARRY_OUT](() => this.train());
  }
}
