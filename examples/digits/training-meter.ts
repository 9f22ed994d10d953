import type { CheckpointRecord } from './checkpoint.ts';
import type { Job } from './job-context.ts';
import { JobError } from './job-error.ts';
import type { Tally } from './mlp.ts';

/** Gathers what the batches of an epoch report, and writes metric lines from it. */
export function createMeter(
  job: Pick<Job, 'metrics'>,
  { epoch, learningRate }: { epoch: number; learningRate: number },
) {
  const startedAt = performance.now();
  const whole: Tally = { loss: 0, correct: 0, samples: 0 };
  let recent: Tally = { loss: 0, correct: 0, samples: 0 };
  let recentSteps = 0;
  let recentSince = startedAt;
  let newestAt = startedAt;
  /** @throws JobError when the loss is no number: nothing that follows could be learned from. */
  const refuseDivergence = (loss: number, step: number) => {
    if (Number.isFinite(loss)) return;
    const reason = `the loss is ${loss} at step ${step}; a smaller learningRate (now ${learningRate}) may help`;
    job.metrics.reportAnomaly(reason);
    throw new JobError(reason);
  };
  return {
    refuseDivergence,
    add(tally: Tally, step: number): void {
      refuseDivergence(tally.loss, step);
      for (const sum of [whole, recent]) {
        sum.loss += tally.loss;
        sum.correct += tally.correct;
        sum.samples += tally.samples;
      }
      recentSteps++;
      newestAt = performance.now();
    },
    /** Writes means since the line before, and after an epoch the results on validation data. */
    write(step: number, evaluation?: CheckpointRecord): void {
      const seconds = Math.max((newestAt - recentSince) / 1000, 1e-6);
      const loss = recent.loss / recent.samples;
      const speed = { step_time: seconds / recentSteps, samples_per_second: recent.samples / seconds };
      job.metrics.append({
        step,
        epoch,
        loss: { total_loss: loss },
        performance: speed,
        ...(evaluation && { evaluation: { accuracy: evaluation.accuracy, loss: evaluation.loss } }),
        raw: {
          train_loss: loss,
          train_accuracy: recent.correct / recent.samples,
          learning_rate: learningRate,
          ...(evaluation && { val_accuracy: evaluation.accuracy, val_loss: evaluation.loss }),
        },
      });
      recent = { loss: 0, correct: 0, samples: 0 };
      recentSteps = 0;
      recentSince = performance.now();
    },
    epochLoss: () => whole.loss / whole.samples,
    seconds: () => (performance.now() - startedAt) / 1000,
  };
}
