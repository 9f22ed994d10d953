import {
  type MadeForTrial,
  Pipeline,
  Registry,
  type RunOutcome,
  runTrial,
  SeededRandom,
} from '@trainyard/training';
import { makePoints, type Points } from './points.ts';

interface Settings {
  readonly epochs: number;
  readonly rate: number;
}

interface Result {
  readonly accuracy: number;
}

/** What both models share: seeded data, epochs, and metrics of each. */
abstract class PointsPipeline extends Pipeline<Settings, never, Result> {
  readonly #random: SeededRandom;
  readonly #samples: number;

  constructor(params: Settings, { config, trackers, callbacks }: MadeForTrial) {
    super({ params, trackers, callbacks });
    this.#random = new SeededRandom(config.seed);
    this.#samples = Number(config.args['samples']);
  }

  /** Learns from all points once. */
  protected abstract learn(points: Points, random: SeededRandom): void;
  /** How likely a point belongs to cloud 1. */
  protected abstract chance(x: number, y: number): number;

  protected async train(): Promise<Result> {
    const learned = makePoints(this.#samples, this.#random);
    const kept = makePoints(this.#samples, this.#random);
    await this.eachEpoch(this.params.epochs, () => {
      this.learn(learned, this.#random);
      this.epochMetrics.set('train_loss', this.#judge(learned).loss);
      const { loss, accuracy } = this.#judge(kept);
      this.epochMetrics.set('val_loss', loss);
      this.epochMetrics.set('val_acc', accuracy);
    });
    const { accuracy } = this.#judge(kept);
    this.runMetrics.set('test_acc', accuracy);
    return { accuracy };
  }

  #judge({ x, y, labels }: Points): { loss: number; accuracy: number } {
    let loss = 0;
    let right = 0;
    for (let at = 0; at < labels.length; at += 1) {
      const chance = Math.min(1 - 1e-9, Math.max(1e-9, this.chance(x[at]!, y[at]!)));
      loss -= Math.log(labels[at] === 1 ? chance : 1 - chance);
      if (chance > 0.5 === (labels[at] === 1)) right += 1;
    }
    return { loss: loss / labels.length, accuracy: right / labels.length };
  }
}

class NearestMean extends PointsPipeline {
  #means: [number, number][] = [];

  protected override learn({ x, y, labels }: Points): void {
    this.#means = [0, 1].map((label) => {
      const mine = [...labels.keys()].filter((at) => labels[at] === label);
      const mean = (of: Float64Array) => mine.reduce((sum, at) => sum + of[at]!, 0) / mine.length;
      return [mean(x), mean(y)];
    });
  }

  protected override chance(x: number, y: number): number {
    const [zero, one] = this.#means.map(([mx, my]) => (x - mx) ** 2 + (y - my) ** 2) as [number, number];
    return zero / (zero + one);
  }
}

class Logistic extends PointsPipeline {
  #weights = [0, 0, 0];

  protected override learn({ x, y, labels }: Points, random: SeededRandom): void {
    for (let steps = 0; steps < labels.length; steps += 1) {
      const at = Math.floor(random.next() * labels.length);
      const wrong = labels[at]! - this.chance(x[at]!, y[at]!);
      const inputs = [1, x[at]!, y[at]!];
      this.#weights = this.#weights.map((weight, of) => weight + this.params.rate * wrong * inputs[of]!);
    }
  }

  protected override chance(x: number, y: number): number {
    const [bias, wx, wy] = this.#weights as [number, number, number];
    return 1 / (1 + Math.exp(-(bias + wx * x + wy * y)));
  }
}

const settings = (given: Readonly<Record<string, unknown>>): Settings => ({ epochs: 8, rate: 0.1, ...given });
const pipelines = new Registry<{ run(): Promise<RunOutcome<Result>> }, MadeForTrial>('pipeline')
  .register('nearest_mean', (given, made) => new NearestMean(settings(given), made))
  .register('logistic', (given, made) => new Logistic(settings(given), made));

await runTrial({ pipelines });
