// Measures one checkpoint on the test digits, which no training has seen.
import { loadCheckpoint } from './checkpoint.ts';
import { DIGIT_CLASSES, readDigits } from './digits-data.ts';
import { datasetPath, runJob } from './job-context.ts';
import { JobError } from './job-error.ts';
import { evaluateMlp } from './mlp.ts';
import { optionalText, requireText, text } from './parameters.ts';

const spec = { dataset: optionalText(), checkpoint: optionalText(), name: text('model') };

await runJob('evaluate', spec, async (job, params) => {
  const dataset = datasetPath(job, params.dataset);
  const trained = job.earlierOutputs('train')[params.name]?.['checkpoint'];
  const checkpoint = requireText('checkpoint', params.checkpoint ?? trained, 'the path of a trained model');
  const mlp = loadCheckpoint(checkpoint);
  const { test, rows } = await readDigits(dataset, ['test']);
  job.recordDataset({ name: 'digits', path: dataset, role: 'input', rows });
  if (mlp.inputs !== test.inputs) {
    throw new JobError(
      `${checkpoint} reads ${mlp.inputs} pixels, but the images of ${dataset} have ${test.inputs}`,
    );
  }

  const seen = new Array<number>(DIGIT_CLASSES).fill(0);
  const right = new Array<number>(DIGIT_CLASSES).fill(0);
  const startedAt = performance.now();
  const tally = evaluateMlp(mlp, test, (label, guess) => {
    seen[label]!++;
    if (guess === label) right[label]!++;
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const result = { accuracy: tally.correct / tally.samples, loss: tally.loss / tally.samples };
  const accuracyByDigit = seen.map((count, digit) => (count === 0 ? null : right[digit]! / count));

  job.metrics.start(1);
  job.metrics.append({
    step: 0,
    epoch: 0,
    loss: { total_loss: result.loss },
    performance: { step_time: seconds, samples_per_second: tally.samples / seconds },
    evaluation: result,
    raw: { test_accuracy: result.accuracy, test_loss: result.loss },
  });
  job.log(checkpoint);
  job.log(
    `test accuracy ${result.accuracy.toFixed(4)} (${tally.correct} of ${tally.samples}), loss ${result.loss.toFixed(4)}`,
  );
  job.log(
    `by digit: ${accuracyByDigit.map((each, digit) => `${digit}: ${each?.toFixed(3) ?? '-'}`).join('  ')}`,
  );
  job.writeOutputs({ ...result, checkpoint, rows: tally.samples, accuracyByDigit });
});
