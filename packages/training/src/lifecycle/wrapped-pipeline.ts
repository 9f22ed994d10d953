import type { PipelineOptions, RunOutcome } from './pipeline-options.ts';
import { LifecycleMisuse } from './training-lifecycle.ts';
import { TrainingProgram } from './training-program.ts';
import { isWrappedRun, OUTCOME, requireWrapped } from './wrappers.ts';

/**
 * A training program whose loop is in `run()` and its parts in methods, with `@runWrapper`, `@epochWrapper` and
 * `@batchWrapper` before them: what programs of the older system look like.
 */
export abstract class WrappedPipeline<
  Params extends object = Record<string, unknown>,
  Custom extends string = never,
> extends TrainingProgram<Params, Custom> {
  #outcome: RunOutcome<object | undefined> | undefined;

  /** @throws LifecycleMisuse when `run` is not wrapped, or `runEpoch` or `runBatch` is there and is not */
  constructor(options: PipelineOptions<Params, Custom> = {}) {
    super(options);
    if (!isWrappedRun(this.run)) {
      throw new LifecycleMisuse(
        `${this.constructor.name}.run() would not be recorded; put @runWrapper before it, or extend Pipeline and write train().`,
      );
    }
    requireWrapped(this);
  }

  /** How the run has ended; `undefined` before that, and when it has thrown. */
  get outcome(): RunOutcome<object | undefined> | undefined {
    return this.#outcome;
  }

  /** For `@runWrapper`. */
  set [OUTCOME](outcome: RunOutcome<object | undefined>) {
    this.#outcome = outcome;
  }

  /** Carries the program out once; `undefined` when it was stopped before it had a result. */
  abstract run(): Promise<object | undefined>;
}
