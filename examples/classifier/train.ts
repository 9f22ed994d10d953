import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  checkpointDirectory,
  checkpointToResume,
  consoleTracker,
  EarlyStopping,
  filesTracker,
  ModelCheckpoint,
  Pipeline,
  SeededBatches,
  SeededRandom,
} from '@trainyard/training';
import { makeBlobs } from './blobs.ts';
import { SoftmaxModel } from './softmax-model.ts';

interface Params {
  readonly epochs: number;
  readonly learning_rate: number;
  readonly batchSize: number;
  /** How far points are moved at random before they are learned. */
  readonly noise: number;
  /** How long a batch takes at least, in milliseconds, for whoever wants to watch. */
  readonly batchMs: number;
}

const learned = makeBlobs(3, 200, 1);
const kept = makeBlobs(3, 100, 2);
const model = new SoftmaxModel(learned.classes);
const random = new SeededRandom(3);

/** Learns to tell three clouds of points apart. */
class Classifier extends Pipeline<Params> {
  protected async train(): Promise<{ accuracy: number }> {
    const { batchSize, noise, batchMs } = this.params;
    const batches = new SeededBatches({ size: learned.labels.length, batchSize, seed: 4 });
    await this.eachEpoch(this.params.epochs, async () => {
      await this.eachBatch(batches, async (items) => {
        const loss = model.learn(learned, items, {
          learningRate: this.params.learning_rate,
          move: () => noise * random.normal(),
        });
        this.epochMetrics.add('train_loss', loss, { weight: items.length });
        if (batchMs > 0) await delay(batchMs);
      });
      const { loss, accuracy } = model.judge(kept);
      this.epochMetrics.set('val_loss', loss);
      this.epochMetrics.set('val_acc', accuracy);
    });
    const { accuracy, confusion } = model.judge(kept);
    this.runMetrics.set('test_acc', accuracy);
    this.runMetrics.set('confusion', confusion);
    return { accuracy };
  }

  /** From outside, while it trains: trainyard runs params RUN learning_rate=0.1 */
  protected override changeParam(name: string, value: unknown): void {
    if (name !== 'learning_rate') throw new Error('only learning_rate may change while it trains');
    if (typeof value !== 'number' || !(value > 0)) throw new Error('a learning rate is a number above 0');
  }
}

/** Trainyard says by this variable where the params of the stage are. */
const { TRAINYARD_PARAMS: file } = process.env;
const given = file === undefined ? {} : (JSON.parse(readFileSync(file, 'utf8')) as Partial<Params>);
const directory = checkpointDirectory();
const resumeFrom = await checkpointToResume({ directory });
if (resumeFrom !== undefined) {
  const saved = JSON.parse(readFileSync(resumeFrom.path, 'utf8'));
  model.weights = saved.weights;
  random.state = saved.random;
}
await new Classifier({
  params: { epochs: 5, learning_rate: 0.5, batchSize: 30, noise: 0.1, batchMs: 0, ...given },
  trackers: [filesTracker(), consoleTracker()],
  resumeFrom,
  callbacks: [
    new EarlyStopping({ metric: 'val_loss', patience: 3, minDeltaPercent: 0.5 }),
    new ModelCheckpoint({
      ...{ directory, metric: 'val_loss', everyBatches: 5 },
      save: (path) => writeFileSync(path, JSON.stringify({ weights: model.weights, random: random.state })),
    }),
  ],
}).run();
