import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointRecord } from '@trainyard/protocol';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Program } from '../testing/program.ts';
import type { Checkpoint } from './checkpoint-directory.ts';
import { bestFirst, keptCheckpoints } from './checkpoint-ranking.ts';
import { EarlyStopping } from './early-stopping.ts';
import { MetricsCsv } from './metrics-csv.ts';
import { latestCheckpoint, ModelCheckpoint, type ModelCheckpointOptions } from './model-checkpoint.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-checkpoint-'));
afterAll(() => rmSync(root, { recursive: true }));
let directories = 0;
function newDirectory(): string {
  directories += 1;
  return join(root, String(directories));
}

const filesIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => !name.endsWith('.json'))
    .toSorted();

interface Training {
  readonly losses: readonly number[];
  readonly batches?: number;
  readonly from?: number;
  readonly resumeFrom?: Checkpoint | undefined;
  readonly options?: Partial<ModelCheckpointOptions>;
  readonly failAfter?: boolean;
}

/** Trains epochs with these losses and saves the number of the epoch as the model. */
async function train(directory: string, training: Training) {
  const { losses, batches = 0, from = 0, resumeFrom, failAfter = false, options } = training;
  let model = '';
  const warnings: string[] = [];
  const checkpoint = new ModelCheckpoint({
    ...{ directory, metric: 'val_loss', env: {} },
    save: (path) => writeFile(path, model),
    ...options,
  });
  const program = new Program(
    async (p) => {
      for (let n = from; n < losses.length; n += 1) {
        await p.epoch(n, async () => {
          for (let m = 0; m < batches; m += 1)
            await p.batch(m, () => {
              model = `${n}/${m}`;
            });
          if (batches === 0) model = String(n);
          p.epochMetrics.set('val_loss', losses[n]!);
        });
      }
      if (failAfter) throw new Error('broken');
    },
    { callbacks: [checkpoint], resumeFrom, warn: (message) => warnings.push(message) },
  );
  await program.run().catch((error: Error) => expect(error.message).toBe('broken'));
  return { checkpoint, warnings };
}

describe('what is kept', () => {
  const losses = [5, 1, 3, 2, 4];
  it.each([
    [0, false, []],
    [0, true, ['epoch-4']],
    [1, false, ['epoch-1']],
    [2, true, ['epoch-1', 'epoch-3', 'epoch-4']],
    [-1, false, ['epoch-0', 'epoch-1', 'epoch-2', 'epoch-3', 'epoch-4']],
  ])('of the best %s, with the newest %s, is exactly on disk', async (topK, keepLast, expected) => {
    const directory = newDirectory();
    const { checkpoint } = await train(directory, { losses, options: { topK, keepLast } });
    expect(expected.length === 0 ? [] : filesIn(directory)).toEqual(expected);
    if (topK !== 0) expect(checkpoint.best).toMatchObject({ epoch: 1, value: 1 });
    if (keepLast) expect(checkpoint.last).toMatchObject({ epoch: 4 });
  });

  it('is the older of two that are equally good, and NaN only when there is nothing better', async () => {
    const directory = newDirectory();
    const options = { topK: 1, keepLast: false } as const;
    await train(directory, { losses: [Number.NaN, 1, 1, Number.NaN], options });
    expect(filesIn(directory)).toEqual(['epoch-1']);
    await train(directory, { losses: [Number.NaN, Number.NaN], options });
    expect(filesIn(directory)).toEqual(['epoch-0', 'epoch-1']);
  });

  it('is never fewer than the best, whatever the values', () => {
    const values = fc.array(fc.option(fc.integer({ min: -5, max: 5 })), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 4 }), fc.boolean(), (each, topK, keepLast) => {
        const all = each.map((value, order) => ({ order, value }));
        let kept: typeof all = [];
        for (const next of all) kept = keptCheckpoints([...kept, next], { mode: 'max', topK, keepLast });
        // Kept one after the other, the best are those of all at once.
        expect(bestFirst(kept, 'max').slice(0, topK)).toEqual(bestFirst(all, 'max').slice(0, topK));
        expect(kept.includes(all.at(-1)!) || !keepLast).toBe(true);
        expect(kept.length).toBeLessThanOrEqual(topK + (keepLast ? 1 : 0));
      }),
    );
  });
});

describe('when', () => {
  const all = { topK: -1 } as const;
  it('saves after so many epochs, and at the end of the run what is not saved', async () => {
    const directory = newDirectory();
    await train(directory, { losses: [3, 2, 1], options: { ...all, everyEpochs: 2 } });
    expect(filesIn(directory)).toEqual(['epoch-1', 'final']);
  });

  it('saves after so many batches, and not again at the end of the epoch', async () => {
    const directory = newDirectory();
    await train(directory, { losses: [3, 2], batches: 4, options: { ...all, everyBatches: 2 } });
    expect(filesIn(directory)).toEqual([
      ...['epoch-0-batch-2', 'epoch-0-batch-4', 'epoch-1-batch-6', 'epoch-1-batch-8'],
    ]);
    expect(await latestCheckpoint(directory)).toMatchObject({ epoch: 1, batchesOfEpoch: 4, batches: 8 });
  });

  it('saves when a time is over, and not before', async () => {
    const directory = newDirectory();
    await train(directory, { losses: [3, 2], options: { ...all, everyMs: 3_600_000 } });
    expect(filesIn(directory)).toEqual(['final']);
  });

  it('saves on a failure if it is to, and no final one', async () => {
    const directory = newDirectory();
    const options = { ...all, everyEpochs: 5, saveOnException: true };
    await train(directory, { losses: [3, 2], failAfter: true, options });
    expect(filesIn(directory)).toEqual(['epoch-1-failed']);
  });

  it.each([
    [{ everyEpochs: 1, everyMs: 5 }, 'Give one of everyEpochs, everyBatches and everyMs'],
    [{ everyBatches: 0 }, 'An interval is a whole number of at least 1, not 0.'],
    [{ topK: -2 }, 'topK is a number of checkpoints, or -1 for all, not -2.'],
    [{ mode: 'low' as 'min' }, 'mode is "min" or "max", not "low"'],
  ])('refuses %j', (options, message) => {
    expect(() => new ModelCheckpoint({ save: () => {}, ...options })).toThrow(message);
  });
});

describe('a save', () => {
  it('that breaks off leaves the one before loadable, and nothing of its own', async () => {
    const directory = newDirectory();
    await train(directory, { losses: [1] });
    const save = async (path: string) => {
      await mkdir(path);
      await writeFile(join(path, 'half'), 'x');
      throw new Error('broken');
    };
    await train(directory, { losses: [1], options: { save } });
    expect(readdirSync(directory).toSorted()).toEqual(['epoch-0', 'epoch-0.json']);
    expect((await latestCheckpoint(directory))?.path).toBe(join(directory, 'epoch-0'));
    // A process that was killed: under the temporary name, or without what is known of it.
    writeFileSync(join(directory, '.unfinished-epoch-1'), 'half');
    writeFileSync(join(directory, 'epoch-1'), 'whole, but not recorded');
    expect((await latestCheckpoint(directory))?.path).toBe(join(directory, 'epoch-0'));
    await train(directory, { losses: [] });
    expect(filesIn(directory)).toEqual(['epoch-0', 'epoch-1']);
  });

  it('removes the one before only when the new one is there', async () => {
    const directory = newDirectory();
    const seen: string[][] = [];
    const save = async (path: string) => {
      seen.push(readdirSync(directory).filter((name) => name.endsWith('.json')));
      await writeFile(path, 'model');
    };
    await train(directory, { losses: [3, 2, 1], options: { save } });
    expect(seen).toEqual([[], ['epoch-0.json'], ['epoch-1.json']]);
    expect(filesIn(directory)).toEqual(['epoch-2']);
  });

  it('is recorded in the form that Trainyard reads', async () => {
    const [directory, attempt] = [newDirectory(), mkdtempSync(join(root, 'attempt-'))];
    const options = { topK: -1, env: { TRAINYARD_ATTEMPT_DIR: attempt } };
    await train(directory, { losses: [0.5, Number.NaN], options });
    const lines = readFileSync(join(attempt, 'checkpoints.jsonl'), 'utf8').trimEnd().split('\n');
    const records = lines.map((line) => checkpointRecord.parse(JSON.parse(line)));
    expect(records).toMatchObject([
      { path: join(directory, 'epoch-0'), step: 0, epoch: 0, metrics: { val_loss: 0.5 }, action: 'saved' },
      { path: join(directory, 'epoch-1'), step: 1, epoch: 1, action: 'saved' },
    ]);
  });
});

describe('a run that resumes', () => {
  it('falls back to the checkpoint before the newest when that is corrupt', async () => {
    const directory = newDirectory();
    await train(directory, { losses: [3, 2, 1], options: { topK: -1 } });
    writeFileSync(join(directory, 'epoch-2'), 'X');
    expect((await latestCheckpoint(directory))?.path).toBe(join(directory, 'epoch-1'));
    rmSync(join(directory, 'epoch-1'));
    expect((await latestCheckpoint(directory))?.path).toBe(join(directory, 'epoch-0'));
    expect(await latestCheckpoint(newDirectory())).toBeUndefined();
  });

  it('never removes the one that it resumes from, and ranks what was kept before', async () => {
    const directory = newDirectory();
    await train(directory, { losses: [1, 3] });
    const resumeFrom = await latestCheckpoint(directory);
    const { checkpoint } = await train(directory, { losses: [1, 3, 2, 4], from: 2, resumeFrom });
    expect(filesIn(directory)).toEqual(['epoch-0', 'epoch-1', 'epoch-3']);
    expect([checkpoint.best?.epoch, checkpoint.last?.epoch]).toEqual([0, 3]);
  });

  it('counts on in the middle of an epoch', async () => {
    const directory = newDirectory();
    const options = { topK: -1, everyBatches: 3 };
    await train(directory, { losses: [3], batches: 5, options });
    const all = await latestCheckpoint(directory);
    expect(all).toMatchObject({ epoch: 0, batchesOfEpoch: null, batches: 5 });
    for (const name of ['final', 'final.json']) rmSync(join(directory, name));
    const resumeFrom = await latestCheckpoint(directory);
    expect(resumeFrom).toMatchObject({ epoch: 0, batchesOfEpoch: 3, batches: 3 });
    // The two batches that are left, and an epoch of two.
    await train(directory, { losses: [3, 2], batches: 2, resumeFrom, options });
    expect(filesIn(directory)).toEqual(['epoch-0-batch-3', 'epoch-1-batch-6', 'final']);
    expect(await latestCheckpoint(directory)).toMatchObject({ epoch: 1, batches: 7 });
  });

  it('takes other names than what another run has left, and leaves that', async () => {
    const directory = newDirectory();
    await train(directory, { losses: [3] });
    await train(directory, { losses: [2] });
    expect(filesIn(directory)).toEqual(['epoch-0', 'epoch-0-v2']);
  });

  it('ends as an uninterrupted one: its callbacks go on from what they had', async () => {
    const losses = [5, 4, 3, 3.5, 3.2, 3.1, 3.3];
    const run = async (directory: string, from: number, to: number, resumeFrom?: Checkpoint) => {
      const stopping = new EarlyStopping({ patience: 3 });
      const checkpoint = new ModelCheckpoint({
        ...{ directory, metric: 'val_loss', env: {} },
        save: (path) => writeFile(path, 'model'),
      });
      const csv = new MetricsCsv(join(directory, 'metrics.log'));
      const warnings: string[] = [];
      const body = async (p: Program) => {
        for (let n = from; n < to; n += 1) {
          await p.epoch(n, () => p.epochMetrics.set('val_loss', losses[n]!));
        }
      };
      const callbacks = [checkpoint, stopping, Object.assign(csv, { name: 'csv' })];
      const warn = (message: string) => warnings.push(message);
      const { reason } = await new Program(body, { callbacks, resumeFrom, warn }).run();
      const { epoch, value } = checkpoint.best!;
      const rows = readFileSync(join(directory, 'metrics.log'), 'utf8');
      return { reason, best: [epoch, value], at: stopping.bestEpoch, rows, warnings };
    };
    const [whole, parts] = [newDirectory(), newDirectory()];
    const uninterrupted = await run(whole, 0, losses.length);
    expect(uninterrupted.reason).toContain('has not improved for 3 epochs; the best was 3 in epoch 2');
    await run(parts, 0, 4);
    const resumed = await run(parts, 4, losses.length, await latestCheckpoint(parts));
    expect(resumed).toEqual(uninterrupted);
  });

  it('is warned of a callback whose state is missing, and of a state without a callback', async () => {
    const directory = newDirectory();
    await train(directory, { losses: [3] });
    const saved = (await latestCheckpoint(directory))!;
    const resumeFrom = { ...saved, callbacks: { other: {} } };
    const { warnings } = await train(directory, { losses: [3, 2], from: 1, resumeFrom });
    expect(warnings).toEqual([
      `The checkpoint ${saved.path} has a state of the callback "other", which this run lacks.`,
      expect.stringContaining(`has no state of the callback "model-checkpoint ${directory}"`),
    ]);
  });
});
