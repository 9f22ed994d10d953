import type { Blobs } from './blobs.ts';

export interface Judged {
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  readonly accuracy: number;
  /** Points by their class (row) and what they were taken for (column). */
  readonly confusion: number[][];
}

interface Step {
  readonly learningRate: number;
  /** How far a coordinate is moved before it is learned. */
  readonly move: () => number;
}

/** Multinomial logistic regression on points of the plane. */
export class SoftmaxModel {
  readonly #classes: number;
  /** For each class: weight of x, weight of y, bias. */
  readonly #weights: Float64Array;

  constructor(classes: number) {
    this.#classes = classes;
    this.#weights = new Float64Array(classes * 3);
  }

  /** For checkpoints. */
  get weights(): number[] {
    return [...this.#weights];
  }

  set weights(weights: readonly number[]) {
    this.#weights.set(weights);
  }

  /** One step of gradient descent on some of the points. Answers their mean cross-entropy before it. */
  learn({ points, labels }: Blobs, items: Uint32Array, { learningRate, move }: Step): number {
    const gradient = new Float64Array(this.#weights.length);
    let loss = 0;
    for (const index of items) {
      const [x, y] = [points[index * 2]! + move(), points[index * 2 + 1]! + move()];
      const label = labels[index]!;
      for (const [other, probability] of this.#probabilities(x, y).entries()) {
        if (other === label) loss -= Math.log(probability);
        const error = probability - (other === label ? 1 : 0);
        gradient[other * 3]! += error * x;
        gradient[other * 3 + 1]! += error * y;
        gradient[other * 3 + 2]! += error;
      }
    }
    for (const [at, slope] of gradient.entries()) this.#weights[at]! -= (learningRate * slope) / items.length;
    return loss / items.length;
  }

  judge({ points, labels }: Blobs): Judged {
    const confusion = Array.from({ length: this.#classes }, () => new Array<number>(this.#classes).fill(0));
    let loss = 0;
    let right = 0;
    for (const [index, label] of labels.entries()) {
      const probabilities = this.#probabilities(points[index * 2]!, points[index * 2 + 1]!);
      const taken = probabilities.indexOf(Math.max(...probabilities));
      loss -= Math.log(probabilities[label]!);
      if (taken === label) right += 1;
      confusion[label]![taken]! += 1;
    }
    return { loss: loss / labels.length, accuracy: right / labels.length, confusion };
  }

  #probabilities(x: number, y: number): number[] {
    const scores = Array.from({ length: this.#classes }, (_, label) => {
      const at = label * 3;
      return this.#weights[at]! * x + this.#weights[at + 1]! * y + this.#weights[at + 2]!;
    });
    const largest = Math.max(...scores);
    const powers = scores.map((score) => Math.exp(score - largest));
    const sum = powers.reduce((all, power) => all + power, 0);
    return powers.map((power) => power / sum);
  }
}
