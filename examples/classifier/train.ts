import { readFileSync } from 'node:fs';
import { consoleTracker, EarlyStopping, filesTracker, Pipeline } from '@trainyard/training';
import { makeBlobs } from './blobs.ts';
import { SoftmaxModel } from './softmax-model.ts';

interface Params {
  readonly epochs: number;
  readonly learningRate: number;
  readonly batchSize: number;
}

/** Learns to tell three clouds of points apart. */
class Classifier extends Pipeline<Params> {
  protected async train(): Promise<{ accuracy: number }> {
    const { epochs, learningRate, batchSize } = this.params;
    const learned = makeBlobs(3, 200, 1);
    const kept = makeBlobs(3, 100, 2);
    const model = new SoftmaxModel(learned.classes);
    for (let epoch = 0; epoch < epochs; epoch += 1) {
      await this.epoch(epoch, () => {
        for (let first = 0; first < learned.labels.length; first += batchSize) {
          model.learn(learned, first, Math.min(first + batchSize, learned.labels.length), learningRate);
        }
        this.epochMetrics.set('train_loss', model.judge(learned).loss);
        const { loss, accuracy } = model.judge(kept);
        this.epochMetrics.set('val_loss', loss);
        this.epochMetrics.set('val_acc', accuracy);
      });
    }
    const { accuracy, confusion } = model.judge(kept);
    this.runMetrics.set('test_acc', accuracy);
    this.runMetrics.set('confusion', confusion);
    return { accuracy };
  }
}

/** Trainyard says by this variable where the params of the stage are. */
const { TRAINYARD_PARAMS: file } = process.env;
const given = file === undefined ? {} : (JSON.parse(readFileSync(file, 'utf8')) as Partial<Params>);
await new Classifier({
  params: { epochs: 5, learningRate: 0.5, batchSize: 30, ...given },
  trackers: [filesTracker(), consoleTracker()],
  callbacks: [new EarlyStopping({ metric: 'val_loss', patience: 3, minDeltaPercent: 0.5 })],
}).run();
