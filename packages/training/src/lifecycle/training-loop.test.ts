import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Callback } from '../callbacks/callback.ts';
import { checkpointToResume, latestCheckpoint, ModelCheckpoint } from '../callbacks/model-checkpoint.ts';
import type { BatchSource } from '../data/batch-source.ts';
import { SeededBatches } from '../data/seeded-batches.ts';
import { type RandomState, SeededRandom } from '../data/seeded-random.ts';
import { Program } from '../testing/program.ts';
import { recorder } from '../testing/recorder.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-loop-'));
afterAll(() => rmSync(root, { recursive: true }));

interface Model {
  weight: number;
  /** Gradients that are not applied yet. */
  gathered: number;
  random: RandomState;
}

interface Fit {
  readonly directory: string;
  readonly epochs?: number;
  readonly source?: BatchSource<Uint32Array> | (() => Iterable<Uint32Array>);
  /** The run fails in this batch, counted over all epochs. */
  readonly failsAt?: number;
  readonly every?: { readonly everyBatches: number } | { readonly everyEpochs: number };
  readonly callbacks?: readonly Callback[];
}

/** Trains with noise from a generator and gradients that are applied every third batch, from the last checkpoint on. */
async function fit({ directory, epochs = 3, source, failsAt, every = { everyBatches: 1 }, ...more }: Fit) {
  const { calls, tracker } = recorder();
  const warnings: string[] = [];
  const resumeFrom = await latestCheckpoint(directory);
  const random = new SeededRandom(7);
  const fresh: Model = { weight: 0, gathered: 0, random: random.state };
  const model =
    resumeFrom === undefined ? fresh : (JSON.parse(readFileSync(resumeFrom.path, 'utf8')) as Model);
  random.state = model.random;
  let batches = 0;
  const program = new Program(
    (p) =>
      p.eachEpoch(epochs, async (epoch) => {
        const data = typeof source === 'function' ? source() : source;
        await p.eachBatch(data ?? new SeededBatches({ size: 20, batchSize: 4, seed: 1 }), (items, index) => {
          if (batches === failsAt) throw new Error('killed');
          batches += 1;
          model.gathered += items.reduce((sum, item) => sum + item, 0) * random.normal();
          if (index % 3 === 2) [model.weight, model.gathered] = [model.weight + 0.1 * model.gathered, 0];
          p.batchMetrics.set('train_loss', model.weight);
          p.epochMetrics.add('train_loss', random.next(), { weight: items.length });
        });
        p.epochMetrics.set('val_loss', model.weight + epoch);
      }),
    {
      trackers: [tracker],
      warn: (message) => warnings.push(message),
      resumeFrom,
      callbacks: [
        ...(more.callbacks ?? []),
        new ModelCheckpoint({
          ...{ directory, topK: 0, ...every },
          save: (path) => writeFileSync(path, JSON.stringify({ ...model, random: random.state })),
        }),
      ],
    },
  );
  const outcome = await program.run().then(
    () => 'completed',
    (error: unknown) => String(error),
  );
  const tracked = calls.filter((call) => call.startsWith('track'));
  return { outcome, tracked, warnings, model: { ...model, random: random.state } };
}

const newDirectory = () => mkdtempSync(join(root, 'run-'));

describe('a run that resumes', () => {
  it('equals the uninterrupted one bit for bit, wherever it was interrupted, as often as it was', async () => {
    const whole = await fit({ directory: newDirectory() });
    expect(whole.tracked).toHaveLength(15 + 3);
    for (const stops of [[0], [1], [5], [7], [14], [2, 1, 4], [5, 5], [1, 1, 1, 1, 1]]) {
      const directory = newDirectory();
      const parts = [];
      for (const failsAt of stops) {
        const part = await fit({ directory, failsAt });
        expect(part.outcome).toBe('Error: killed');
        // What the failed epoch has recorded is recorded again by the one that goes on.
        parts.push(part.tracked.slice(0, -1));
      }
      const last = await fit({ directory });
      expect(last.outcome).toBe('completed');
      expect(last.model, String(stops)).toEqual(whole.model);
      const epochs = (tracked: readonly string[]) => tracked.filter((call) => call.includes('val_loss'));
      expect(epochs([...parts.flat(), ...last.tracked])).toEqual(epochs(whole.tracked));
      expect([...parts.flat(), ...last.tracked].toSorted()).toEqual(
        expect.arrayContaining(whole.tracked.toSorted()),
      );
    }
  });

  it('has nothing to do when all epochs are done, goes on with more, and refuses fewer', async () => {
    const directory = newDirectory();
    const every = { everyEpochs: 1 };
    await fit({ directory, epochs: 2, every });
    expect((await fit({ directory, epochs: 2, every })).tracked).toEqual([]);
    const more = await fit({ directory, epochs: 3, every });
    expect(more.tracked.at(-1)).toMatch(/@2$/);
    expect((await fit({ directory, epochs: 1 })).outcome).toMatch(
      /RangeError: The checkpoint .* is of epoch 2, and this run has only 1 epochs; give it at least 3\./,
    );
  });

  it('is warned of data that cannot begin in the middle, and passes over what was done', async () => {
    const inOrder = (): Iterable<Uint32Array> =>
      new SeededBatches({ size: 20, batchSize: 4, seed: 1, shuffle: false }).batchesOf(0, 0);
    const whole = await fit({ directory: newDirectory(), source: inOrder });
    const directory = newDirectory();
    await fit({ directory, source: inOrder, failsAt: 7 });
    const resumed = await fit({ directory, source: inOrder });
    expect(resumed.model).toEqual(whole.model);
    expect(resumed.warnings).toEqual([
      expect.stringMatching(
        /^The batches cannot begin in the middle of an epoch: the 2 that were done before/,
      ),
    ]);
  });

  it('refuses an epoch of another length in its middle, not at its end', async () => {
    const directory = newDirectory();
    await fit({ directory, failsAt: 7 });
    const source = new SeededBatches({ size: 20, batchSize: 5, seed: 1 });
    expect((await fit({ directory, source })).outcome).toMatch(
      /RangeError: The checkpoint .* was written in the middle of an epoch of 5 batches, and this epoch has 4;/,
    );
    const atEnd = newDirectory();
    await fit({ directory: atEnd, epochs: 1, every: { everyEpochs: 1 } });
    expect((await fit({ directory: atEnd, source })).outcome).toBe('completed');
  });
});

it('a checkpoint that is named is refused when it is not there or not as it was written', async () => {
  const directory = newDirectory();
  await fit({ directory, failsAt: 3 });
  const newest = await latestCheckpoint(directory);
  const env = { TRAINYARD_RESUME_FROM: newest!.path };
  expect(await checkpointToResume({ directory: '/nowhere', env })).toEqual(newest);
  expect(await checkpointToResume({ directory, env: {} })).toEqual(newest);
  expect(await checkpointToResume({ directory: join(root, 'nowhere'), env: {} })).toBeUndefined();
  await expect(checkpointToResume({ path: join(directory, 'epoch-9') })).rejects.toThrow(
    `There is no checkpoint ${join(directory, 'epoch-9')}`,
  );
  writeFileSync(newest!.path, 'damaged');
  await expect(checkpointToResume({ env })).rejects.toThrow('is not as it was written');
});

describe('batches of a source', () => {
  it('are the same for seed and epoch, differ between epochs, and hold every item once', () => {
    const source = new SeededBatches({ size: 10, batchSize: 4, seed: 3 });
    const items = (epoch: number, first = 0) =>
      [...source.batchesOf(epoch, first)].flatMap((batch) => [...batch]);
    expect(items(0)).toEqual(items(0));
    expect(items(0)).not.toEqual(items(1));
    expect(items(0).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, index) => index));
    expect(items(5, 1)).toEqual(items(5).slice(4));
    expect(source.length).toBe(3);
    expect(new SeededBatches({ size: 10, batchSize: 4, seed: 3, dropLast: true }).length).toBe(2);
    expect(() => new SeededBatches({ size: 0, batchSize: 4, seed: 3 })).toThrow('size is a number of items');
  });

  it('may be a list or an asynchronous iterable; their steps are their numbers in the run', async () => {
    const { calls, tracker } = recorder();
    async function* later() {
      yield* [3, 4];
    }
    const program = new Program(
      (p) =>
        p.eachEpoch(2, (epoch) =>
          p.eachBatch<number>(epoch === 0 ? [1, 2] : later(), (item) =>
            p.batchMetrics.set('train_loss', item),
          ),
        ),
      { trackers: [tracker] },
    );
    await program.run();
    expect(calls.filter((call) => call.startsWith('track'))).toEqual([
      'track train_loss=1@0',
      'track train_loss=2@1',
      'track train_loss=3@2',
      'track train_loss=4@3',
    ]);
  });
});

it('random numbers of a seed are uniform, differ between seeds, and go on from a state', () => {
  const random = new SeededRandom(1);
  const numbers = Array.from({ length: 10_000 }, () => random.next());
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  expect(mean).toBeGreaterThan(0.49);
  expect(mean).toBeLessThan(0.51);
  const { state } = random;
  const next = [random.next(), random.normal()];
  const other = new SeededRandom(2);
  expect(other.next()).not.toBe(numbers[0]);
  other.state = JSON.parse(JSON.stringify(state)) as RandomState;
  expect([other.next(), other.normal()]).toEqual(next);
  expect(() => new SeededRandom(0.5)).toThrow('A seed is a whole number, not 0.5.');
});
