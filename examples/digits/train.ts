// Trains one configuration of the network and keeps a checkpoint of every epoch.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { shiftDigits } from './augment.ts';
import { type CheckpointRecord, saveCheckpoint } from './checkpoint.ts';
import { DIGIT_CLASSES, type DigitSet, readDigits } from './digits-data.ts';
import { datasetPath, type Job, runJob } from './job-context.ts';
import { accumulateGradient, createMlp, evaluateMlp, updateWithMomentum, zeroMlp } from './mlp.ts';
import { integer, number, optionalText, type ParameterValues } from './parameters.ts';
import { seededRandom, shuffle } from './seeded-random.ts';
import { createMeter } from './training-meter.ts';

const spec = {
  dataset: optionalText(),
  epochs: integer(15, { min: 1, max: 1000 }),
  batchSize: integer(32, { min: 1, max: 10_000 }),
  hidden: integer(64, { min: 1, max: 4096 }),
  learningRate: number(0.05, { min: 0, max: 1e6 }),
  learningRateDecay: number(0.85, { min: 0.01, max: 1 }),
  /** Moves every training digit by up to so many pixels, anew in each epoch; 0 turns it off. */
  maxShift: integer(1, { min: 0, max: 4 }),
  momentum: number(0.9, { min: 0, max: 0.999 }),
  seed: integer(1, { min: 0, max: 2 ** 32 - 1 }),
  logEvery: integer(10, { min: 1, max: 1_000_000 }),
};

await runJob('train', spec, async (job, params) => {
  const path = datasetPath(job, params.dataset);
  const { train, validation, rows } = await readDigits(path, ['train', 'validation']);
  job.recordDataset({ name: 'digits', path, role: 'input', rows });
  job.log(
    `${train.size} digits to train on, ${validation.size} to validate; ` +
      `${train.inputs} -> ${params.hidden} -> ${DIGIT_CLASSES}, learning rate ${params.learningRate}`,
  );
  const checkpoints = await trainEpochs(job, params, train, validation);
  // Of equals the later one: it has seen more data.
  const best = checkpoints.reduce((a, b) => (b.accuracy >= a.accuracy ? b : a));
  job.log(`best epoch ${best.epoch + 1}: validation accuracy ${best.accuracy.toFixed(4)}`);
  job.writeOutputs({
    checkpoint: best.path,
    accuracy: best.accuracy,
    loss: best.loss,
    hidden: params.hidden,
    learningRate: params.learningRate,
    checkpoints,
  });
});

async function trainEpochs(
  job: Job,
  params: ParameterValues<typeof spec>,
  train: DigitSet,
  validation: DigitSet,
): Promise<CheckpointRecord[]> {
  const random = seededRandom(params.seed);
  const shape = { inputs: train.inputs, hidden: params.hidden, outputs: DIGIT_CLASSES };
  const mlp = createMlp(shape, random);
  const gradient = zeroMlp(shape);
  const velocity = zeroMlp(shape);
  const order = Uint32Array.from({ length: train.size }, (_, index) => index);
  const stepsPerEpoch = Math.ceil(train.size / params.batchSize);
  const checkpoints: CheckpointRecord[] = [];
  const breathe = createBreather();
  mkdirSync(join(job.directory, 'checkpoints'), { recursive: true });
  job.metrics.start(params.epochs * stepsPerEpoch);

  for (let epoch = 0; epoch < params.epochs; epoch++) {
    const learningRate = params.learningRate * params.learningRateDecay ** epoch;
    const meter = createMeter(job, { epoch, learningRate });
    shuffle(order, random);
    const shifted = shiftDigits(train, params.maxShift, random);
    for (let batch = 0; batch < stepsPerEpoch; batch++) {
      const from = batch * params.batchSize;
      const to = Math.min(from + params.batchSize, train.size);
      const tally = accumulateGradient(mlp, gradient, shifted, order, from, to);
      updateWithMomentum(mlp, gradient, velocity, {
        learningRate,
        momentum: params.momentum,
        samples: tally.samples,
      });
      const step = epoch * stepsPerEpoch + batch;
      meter.add(tally, step);
      // The last step of an epoch is written below, together with the validation.
      if (step % params.logEvery === 0 && batch < stepsPerEpoch - 1) meter.write(step);
      await breathe();
    }
    const checked = evaluateMlp(mlp, validation);
    meter.refuseDivergence(checked.loss, (epoch + 1) * stepsPerEpoch - 1);
    const path = join(job.directory, 'checkpoints', `epoch-${String(epoch + 1).padStart(3, '0')}.json`);
    saveCheckpoint(path, mlp, epoch);
    const record = {
      path,
      epoch,
      accuracy: checked.correct / checked.samples,
      loss: checked.loss / checked.samples,
    };
    checkpoints.push(record);
    meter.write((epoch + 1) * stepsPerEpoch - 1, record);
    job.log(
      `epoch ${epoch + 1}/${params.epochs}  loss ${meter.epochLoss().toFixed(4)}  ` +
        `validation accuracy ${record.accuracy.toFixed(4)}  ${meter.seconds().toFixed(1)} s`,
    );
  }
  return checkpoints;
}

/** The training loop never waits for anything, so it makes room for signals itself, now and then. */
function createBreather(): () => Promise<void> | undefined {
  let lastAt = performance.now();
  return () => {
    if (performance.now() - lastAt < 50) return undefined;
    return setImmediate().then(() => {
      lastAt = performance.now();
    });
  };
}
