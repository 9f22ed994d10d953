import { describe, expect, it } from 'vitest';
import { packDigits } from './digits-data.ts';
import {
  accumulateGradient,
  createMlp,
  evaluateMlp,
  PARAMETER_BLOCKS,
  updateWithMomentum,
  zeroMlp,
} from './mlp.ts';
import { seededRandom } from './seeded-random.ts';

const shape = { inputs: 9, hidden: 5, outputs: 4 };

function randomDigits(count: number, seed: number) {
  const random = seededRandom(seed);
  const pixel = () => (random() < 0.4 ? 0 : random());
  return packDigits(
    Array.from({ length: count }, (_, index) => ({
      id: `${index}`,
      split: 'train' as const,
      label: index % shape.outputs,
      pixels: Array.from({ length: shape.inputs }, pixel),
    })),
  );
}

const inOrder = (count: number) => Uint32Array.from({ length: count }, (_, index) => index);

describe('mlp', () => {
  it('computes the gradient that finite differences measure, for every weight', () => {
    const digits = randomDigits(12, 3);
    const mlp = createMlp(shape, seededRandom(5));
    mlp.hiddenBiases.fill(0.05);
    const gradient = zeroMlp(shape);
    accumulateGradient(mlp, gradient, digits, inOrder(12), 0, 12);
    const nudge = 1e-6;
    for (const block of PARAMETER_BLOCKS) {
      for (let index = 0; index < mlp[block].length; index++) {
        const weight = mlp[block][index]!;
        mlp[block][index] = weight + nudge;
        const above = evaluateMlp(mlp, digits).loss;
        mlp[block][index] = weight - nudge;
        const below = evaluateMlp(mlp, digits).loss;
        mlp[block][index] = weight;
        expect(gradient[block][index]!, `${block}[${index}]`).toBeCloseTo((above - below) / (2 * nudge), 5);
      }
    }
  });

  it('agrees with a dense calculation by hand', () => {
    const mlp = zeroMlp({ inputs: 2, hidden: 2, outputs: 2 });
    mlp.hiddenWeights.set([1, -1, 2, 1]); // unit 0: x0 + 2 x1, unit 1: -x0 + x1
    mlp.outputWeights.set([1, 0, 0, 1]);
    mlp.outputBiases.set([0, 0.5]);
    const digits = packDigits([{ id: 'a', split: 'test', label: 0, pixels: [1, 0.5] }]);
    // Units: 2 and relu(-0.5) = 0. Outputs: 2 and 0.5. Probability of digit 0: 1 / (1 + e^-1.5).
    expect(evaluateMlp(mlp, digits)).toEqual({
      loss: expect.closeTo(Math.log(1 + Math.exp(-1.5)), 12),
      correct: 1,
      samples: 1,
    });
  });

  it('adds up the gradient over several calls and clears it with the update', () => {
    const digits = randomDigits(8, 7);
    const mlp = createMlp(shape, seededRandom(1));
    const whole = zeroMlp(shape);
    const halves = zeroMlp(shape);
    accumulateGradient(mlp, whole, digits, inOrder(8), 0, 8);
    accumulateGradient(mlp, halves, digits, inOrder(8), 0, 4);
    accumulateGradient(mlp, halves, digits, inOrder(8), 4, 8);
    expect(halves.hiddenWeights).toEqual(whole.hiddenWeights);
    updateWithMomentum(mlp, whole, zeroMlp(shape), { learningRate: 0.1, momentum: 0.9, samples: 8 });
    expect(whole.hiddenWeights.every((each) => each === 0)).toBe(true);
  });

  it('moves by the learning rate times the mean gradient, and on by the momentum', () => {
    const mlp = zeroMlp({ inputs: 1, hidden: 1, outputs: 1 });
    const gradient = zeroMlp(mlp);
    const velocity = zeroMlp(mlp);
    gradient.hiddenWeights[0] = 4;
    updateWithMomentum(mlp, gradient, velocity, { learningRate: 0.1, momentum: 0.5, samples: 2 });
    expect(mlp.hiddenWeights[0]).toBeCloseTo(-0.2, 12);
    updateWithMomentum(mlp, gradient, velocity, { learningRate: 0.1, momentum: 0.5, samples: 2 });
    expect(mlp.hiddenWeights[0]).toBeCloseTo(-0.3, 12);
  });

  it('passes NaN on to the loss instead of hiding it', () => {
    const digits = randomDigits(4, 2);
    const mlp = createMlp(shape, seededRandom(1));
    mlp.hiddenWeights.fill(Number.NaN);
    expect(evaluateMlp(mlp, digits).loss).toBeNaN();
  });
});
