import { describe, expect, it } from 'vitest';
import type { Tracker } from '../trackers/tracker.ts';
import { Program } from './program.ts';

/** What a tracker has recorded, as what reads it otherwise finds it. */
export interface Recorded {
  /** Each part of a value is a value, `NAME/PART`; metrics of batches are `batch/NAME`. In any order. */
  readonly values: readonly (readonly [name: string, step: number, value: number])[];
  readonly params?: Readonly<Record<string, string>>;
  readonly status?: string;
}

export interface TrackerUnderTest {
  /** A tracker of a new place, and what has been recorded there. */
  make(): Promise<{ readonly tracker: Tracker; read(): Promise<Recorded> }>;
  readonly keepsParams: boolean;
  /** Files of metrics begin at step 0. */
  readonly keepsNegativeSteps?: boolean;
  /** Words for completed, stopped, failed and cancelled, where it keeps them. */
  readonly statuses?: readonly [string, string, string, string];
}

type Body = ConstructorParameters<typeof Program>[0];

/** What every tracker must do. */
export function trackerConformance(name: string, subject: TrackerUnderTest): void {
  const recorded = async (body: Body, params: Record<string, unknown> = {}, signal?: AbortSignal) => {
    const { tracker, read } = await subject.make();
    const warnings: string[] = [];
    const program = new Program(body, {
      ...{ params, metrics: { f1: { goal: 'max' } }, trackers: [tracker] },
      warn: (message) => warnings.push(message),
      ...(signal !== undefined && { signal }),
    });
    await program.run().catch(() => undefined);
    const found = await read();
    return { ...found, values: found.values.toSorted(inOrder), warnings };
  };

  describe(`the tracker ${name}`, () => {
    it('keeps every value with the step that it was recorded with', async () => {
      const { values, warnings } = await recorded(async (p) => {
        p.track('learning_rate', 0.5, { step: 137 });
        await p.epoch(3, async () => {
          await p.batch(41, () => p.batchMetrics.set('train_loss', 0.5));
          p.epochMetrics.set('train_loss', 0.25);
          p.track('learning_rate', 0.25);
        });
        p.runMetrics.set('test_acc', 0.75);
      });
      expect(values).toEqual([
        ['batch/train_loss', 41, 0.5],
        ['learning_rate', 3, 0.25],
        ['learning_rate', 137, 0.5],
        ['test_acc', 0, 0.75],
        ['train_loss', 3, 0.25],
      ]);
      expect(warnings).toEqual([]);
    });

    it('keeps values that are not finite, and steps below zero', async () => {
      const { values } = await recorded((p) => {
        for (const [step, value] of [
          Number.NaN,
          Number.POSITIVE_INFINITY,
          Number.NEGATIVE_INFINITY,
        ].entries())
          p.track('val_loss', value, { step });
        p.track('learning_rate', 1, { step: -1 });
      });
      expect(values.map(([key, step, value]) => [key, step, clamped(value)])).toEqual([
        ['learning_rate', subject.keepsNegativeSteps === false ? 0 : -1, '1'],
        ['val_loss', 0, 'NaN'],
        ['val_loss', 1, 'Infinity'],
        ['val_loss', 2, '-Infinity'],
      ]);
    });

    it('keeps lists, values by label and tensors, with their parts', async () => {
      const { values } = await recorded((p) =>
        p.epoch(0, () => {
          const { epochMetrics } = p;
          epochMetrics.set('confusion', [
            [3, 1],
            [0, 4],
          ]);
          epochMetrics.set('f1', { cat: 1, dog: 0 });
          epochMetrics.set('val_acc', { tolist: () => [2, 4] });
          epochMetrics.set('val_loss', { item: () => 0.5 });
        }),
      );
      expect(Object.fromEntries(values.map(([key, , value]) => [key, value]))).toEqual({
        ...{ confusion: 8, 'confusion/0/0': 3, 'confusion/0/1': 1, 'confusion/1/0': 0, 'confusion/1/1': 4 },
        ...{ f1: 0.5, 'f1/cat': 1, 'f1/dog': 0, val_acc: 3, 'val_acc/0': 2, 'val_acc/1': 4, val_loss: 0.5 },
      });
    });

    it('keeps many values, each with its step', async () => {
      const { values } = await recorded((p) => {
        for (let step = 0; step < 2500; step += 1) p.track('train_loss', step / 2, { step });
      });
      expect(values).toEqual(Array.from({ length: 2500 }, (_, step) => ['train_loss', step, step / 2]));
    });

    it('keeps the params of the pipeline and those that are logged', async () => {
      const params = { lr: 0.1, optimizer: { name: 'adam' }, nesterov: false, layers: [8, 2] };
      const found = await recorded((p) => p.logParams({ gpus: null }), params);
      expect(found.warnings).toEqual([]);
      if (!subject.keepsParams) return;
      expect(found.params).toEqual({
        ...{ lr: '0.1', 'optimizer.name': 'adam', nesterov: 'false', layers: '[8,2]', gpus: 'null' },
      });
    });

    it('tells the ends of runs apart', async () => {
      const controller = new AbortController();
      const cancel = () => {
        controller.abort(new Error('no longer wanted'));
        return new Promise(() => {});
      };
      const found = [
        await recorded(() => undefined),
        await recorded((p) => p.stop('enough')),
        await recorded(() => Promise.reject(new Error('broken'))),
        await recorded(cancel, {}, controller.signal),
      ];
      expect(found.flatMap(({ warnings }) => warnings)).toEqual([]);
      if (subject.statuses !== undefined) expect(found.map(({ status }) => status)).toEqual(subject.statuses);
    });

    it('takes a level that is left open, and a run without values', async () => {
      const { values, warnings } = await recorded(async (p) => void (await p.beginEpoch(0)));
      expect(values).toEqual([]);
      expect(warnings).toEqual(['epoch 0 was not ended; it ends with the run.']);
    });
  });
}

function inOrder(a: Recorded['values'][number], b: Recorded['values'][number]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1];
}

/** MLflow keeps the largest number in the place of an infinity. */
function clamped(value: number): string {
  return Math.abs(value) === Number.MAX_VALUE ? `${value < 0 ? '-' : ''}Infinity` : String(value);
}
