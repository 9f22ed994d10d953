import type { DigitSet } from './digits-data.ts';

/**
 * A network with one hidden layer: pixels -> ReLU units -> softmax over ten digits.
 * `hiddenWeights` is laid out [input][hidden unit] and `outputWeights` [hidden unit][digit], so that the
 * inner loops run over neighbours in memory and a black pixel, which adds nothing, costs nothing.
 */
export interface Mlp {
  readonly inputs: number;
  readonly hidden: number;
  readonly outputs: number;
  readonly hiddenWeights: Float64Array;
  readonly hiddenBiases: Float64Array;
  readonly outputWeights: Float64Array;
  readonly outputBiases: Float64Array;
}

export interface MlpShape {
  readonly inputs: number;
  readonly hidden: number;
  readonly outputs: number;
}

/** The four parameter blocks, in the order in which checkpoints and optimisers walk them. */
export const PARAMETER_BLOCKS = ['hiddenWeights', 'hiddenBiases', 'outputWeights', 'outputBiases'] as const;

/** Summed over the samples that were looked at; divide by `samples` for means. */
export interface Tally {
  loss: number;
  correct: number;
  samples: number;
}

/** Initial weights by He et al. 2015 (uniform form, variance 2 / inputs); biases start at zero. */
export function createMlp(shape: MlpShape, random: () => number): Mlp {
  const mlp = zeroMlp(shape);
  fillUniform(mlp.hiddenWeights, Math.sqrt(6 / shape.inputs), random);
  fillUniform(mlp.outputWeights, Math.sqrt(6 / shape.hidden), random);
  return mlp;
}

/** The same shape with every number zero: a place for gradients or for an optimiser's memory. */
export function zeroMlp({ inputs, hidden, outputs }: MlpShape): Mlp {
  return {
    inputs,
    hidden,
    outputs,
    hiddenWeights: new Float64Array(inputs * hidden),
    hiddenBiases: new Float64Array(hidden),
    outputWeights: new Float64Array(hidden * outputs),
    outputBiases: new Float64Array(outputs),
  };
}

/**
 * Adds the gradient of the summed cross-entropy of the samples `order[from..to)` to `gradient`, and
 * answers the summed loss and the number of right guesses, both before any update.
 */
export function accumulateGradient(
  mlp: Mlp,
  gradient: Mlp,
  digits: DigitSet,
  order: Uint32Array,
  from: number,
  to: number,
): Tally {
  const activations = new Float64Array(mlp.hidden);
  const probabilities = new Float64Array(mlp.outputs);
  const hiddenErrors = new Float64Array(mlp.hidden);
  const tally: Tally = { loss: 0, correct: 0, samples: to - from };
  for (let position = from; position < to; position++) {
    const sample = order[position]!;
    const label = digits.labels[sample]!;
    forward(mlp, digits, sample, activations, probabilities);
    score(probabilities, label, tally);
    // For softmax with cross-entropy the error of the outputs is simply (probability - target).
    probabilities[label]! -= 1;
    backwardOutputs(mlp, gradient, activations, probabilities, hiddenErrors);
    backwardHidden(gradient, digits, sample, hiddenErrors);
  }
  return tally;
}

/** Loss and right guesses over a whole set; `onGuess` sees every (label, guess) pair. */
export function evaluateMlp(
  mlp: Mlp,
  digits: DigitSet,
  onGuess?: (label: number, guess: number) => void,
): Tally {
  const activations = new Float64Array(mlp.hidden);
  const probabilities = new Float64Array(mlp.outputs);
  const tally: Tally = { loss: 0, correct: 0, samples: digits.size };
  for (let sample = 0; sample < digits.size; sample++) {
    forward(mlp, digits, sample, activations, probabilities);
    const guess = score(probabilities, digits.labels[sample]!, tally);
    onGuess?.(digits.labels[sample]!, guess);
  }
  return tally;
}

/**
 * One step of gradient descent with momentum over the mean gradient of `samples` samples.
 * Leaves `gradient` zeroed, ready for the next batch.
 */
export function updateWithMomentum(
  mlp: Mlp,
  gradient: Mlp,
  velocity: Mlp,
  step: { readonly learningRate: number; readonly momentum: number; readonly samples: number },
): void {
  const scale = step.learningRate / step.samples;
  for (const block of PARAMETER_BLOCKS) {
    descend(mlp[block], gradient[block], velocity[block], scale, step.momentum);
  }
}

function descend(
  weights: Float64Array,
  gradient: Float64Array,
  velocity: Float64Array,
  scale: number,
  momentum: number,
): void {
  for (let index = 0; index < weights.length; index++) {
    const speed = momentum * velocity[index]! - scale * gradient[index]!;
    velocity[index] = speed;
    weights[index]! += speed;
    gradient[index] = 0;
  }
}

function fillUniform(weights: Float64Array, bound: number, random: () => number): void {
  for (let index = 0; index < weights.length; index++) {
    weights[index] = (2 * random() - 1) * bound;
  }
}

function forward(
  mlp: Mlp,
  digits: DigitSet,
  sample: number,
  activations: Float64Array,
  probabilities: Float64Array,
): void {
  const { hidden, outputs, hiddenWeights, outputWeights } = mlp;
  const { pixelIndexes, pixelValues, starts } = digits;
  activations.set(mlp.hiddenBiases);
  for (let entry = starts[sample]!; entry < starts[sample + 1]!; entry++) {
    const value = pixelValues[entry]!;
    const row = pixelIndexes[entry]! * hidden;
    for (let unit = 0; unit < hidden; unit++) {
      activations[unit]! += value * hiddenWeights[row + unit]!;
    }
  }
  probabilities.set(mlp.outputBiases);
  for (let unit = 0; unit < hidden; unit++) {
    // Written so that NaN stays NaN: a diverged model has to be seen, not silenced to zero.
    if (activations[unit]! <= 0) activations[unit] = 0;
    const activation = activations[unit]!;
    if (activation === 0) continue;
    for (let output = 0; output < outputs; output++) {
      probabilities[output]! += activation * outputWeights[unit * outputs + output]!;
    }
  }
  softmax(probabilities);
}

function softmax(values: Float64Array): void {
  // Subtracting the largest first keeps exp() from overflowing.
  let largest = -Infinity;
  for (const value of values) largest = Math.max(largest, value);
  let sum = 0;
  for (let index = 0; index < values.length; index++) {
    values[index] = Math.exp(values[index]! - largest);
    sum += values[index]!;
  }
  for (let index = 0; index < values.length; index++) values[index]! /= sum;
}

function score(probabilities: Float64Array, label: number, tally: Tally): number {
  let guess = 0;
  for (let output = 1; output < probabilities.length; output++) {
    if (probabilities[output]! > probabilities[guess]!) guess = output;
  }
  // A certain but wrong guess has probability 0; the floor keeps the mean finite. NaN passes through.
  tally.loss -= Math.log(Math.max(probabilities[label]!, 1e-15));
  if (guess === label) tally.correct++;
  return guess;
}

function backwardOutputs(
  mlp: Mlp,
  gradient: Mlp,
  activations: Float64Array,
  outputErrors: Float64Array,
  hiddenErrors: Float64Array,
): void {
  const { hidden, outputs, outputWeights } = mlp;
  for (let output = 0; output < outputs; output++) gradient.outputBiases[output]! += outputErrors[output]!;
  for (let unit = 0; unit < hidden; unit++) {
    const activation = activations[unit]!;
    hiddenErrors[unit] = 0;
    if (activation === 0) continue;
    let error = 0;
    for (let output = 0; output < outputs; output++) {
      const weight = unit * outputs + output;
      error += outputErrors[output]! * outputWeights[weight]!;
      gradient.outputWeights[weight]! += outputErrors[output]! * activation;
    }
    hiddenErrors[unit] = error;
  }
}

function backwardHidden(gradient: Mlp, digits: DigitSet, sample: number, hiddenErrors: Float64Array): void {
  const { hidden, hiddenBiases, hiddenWeights } = gradient;
  const { pixelIndexes, pixelValues, starts } = digits;
  for (let unit = 0; unit < hidden; unit++) hiddenBiases[unit]! += hiddenErrors[unit]!;
  for (let entry = starts[sample]!; entry < starts[sample + 1]!; entry++) {
    const value = pixelValues[entry]!;
    const row = pixelIndexes[entry]! * hidden;
    for (let unit = 0; unit < hidden; unit++) {
      hiddenWeights[row + unit]! += value * hiddenErrors[unit]!;
    }
  }
}
