import type { BehaviourCase, Value } from './behaviour-case.ts';
import { attempt, batch, epoch, setBatch, setEpoch, setRun, stop, track } from './steps.ts';

const NAN: Value = { number: 'NaN' };
const losses = (...values: (Value | undefined)[]) =>
  values.map((value, n) => epoch(n, ...(value === undefined ? [] : [setEpoch('val_loss', value)])));

function stopsAt(
  title: string,
  options: Readonly<Record<string, unknown>>,
  values: readonly (Value | undefined)[],
  expected: { readonly epoch: number; readonly reason: string } | null,
): BehaviourCase {
  const last = expected === null ? values.length - 1 : expected.epoch;
  return {
    title: `early stopping ${title}`,
    program: { callbacks: [{ earlyStopping: { patience: 2, ...options } }], steps: losses(...values) },
    expected: {
      only: ['start epoch'],
      calls: Array.from({ length: last + 1 }, (_, n) => `start epoch ${n}`),
      outcome:
        expected === null
          ? { status: 'completed', result: null, reason: null }
          : { status: 'stopped', result: null, reason: expected.reason },
    },
  };
}

/** What a value may be, what becomes of it, and what callbacks make of it. */
export const METRIC_CASES: readonly BehaviourCase[] = [
  {
    title: 'a value may be a number, a list, a list of lists, by label, or a tensor',
    program: {
      steps: [
        track('val_loss', 0.5),
        track('val_loss', true),
        track('val_loss', NAN),
        track('val_loss', { number: '-Infinity' }),
        track('val_loss', [1, 2, 3]),
        track('val_acc', { labels: { cat: 1, dog: 0 } }),
        track('confusion', [
          [5, 1],
          [0, 4],
        ]),
        track('val_loss', { tensor: 'item', value: 7 }),
        track('val_loss', { tensor: 'tolist', value: [7] }),
        track('val_loss', { tensor: 'tolist', value: [2, 4] }),
        track('val_loss', [
          { tensor: 'item', value: 1 },
          { tensor: 'item', value: 2 },
        ]),
        track('val_loss', 1e-7),
        track('val_loss', 1e21),
        track('val_loss', 123456789.125),
      ],
    },
    expected: {
      only: ['track'],
      calls: [
        'track val_loss=0.5@0',
        'track val_loss=1@0',
        'track val_loss=NaN@0',
        'track val_loss=-Infinity@0',
        'track val_loss=2{"0":1,"1":2,"2":3}@0',
        'track val_acc=0.5{"cat":1,"dog":0}@0',
        'track confusion=10{"0/0":5,"0/1":1,"1/0":0,"1/1":4}@0',
        'track val_loss=7@0',
        'track val_loss=7@0',
        'track val_loss=3{"0":2,"1":4}@0',
        'track val_loss=1.5{"0":1,"1":2}@0',
        'track val_loss=1e-7@0',
        'track val_loss=1e+21@0',
        'track val_loss=123456789.125@0',
      ],
    },
  },
  {
    title: 'a value is no text, no empty list, and has no text in it',
    program: {
      steps: [
        attempt(track('val_loss', 'high')),
        attempt(track('val_loss', [])),
        attempt(track('val_loss', [1, 'x'])),
        attempt(epoch(0, setEpoch('val_loss', 'x'.repeat(60)))),
      ],
    },
    expected: {
      only: ['caught', 'track'],
      calls: [
        'caught NotAMetric: The metric "val_loss" is "high", not a number.',
        'caught NotAMetric: The metric "val_loss" is an empty list, not a number.',
        'caught NotAMetric: The metric "val_loss" is "x" at 1, not a number.',
        `caught NotAMetric: The metric "val_loss" is "${'x'.repeat(50)}…", not a number.`,
      ],
    },
  },
  {
    title: 'a name that is not in the catalogue is refused with the one that was meant',
    program: { steps: [epoch(0, setEpoch('val_los', 1))] },
    expected: {
      outcome: {
        typescript: {
          error:
            'UnknownMetric: There is no metric "val_los". Did you mean "val_loss"? A metric of your own is registered first: metrics: { "val_los": {} }.',
        },
        python: {
          error:
            'UnknownMetric: There is no metric "val_los". Did you mean "val_loss"? A metric of your own is registered first: metrics={"val_los": {}}.',
        },
      },
    },
  },
  {
    title: 'a metric of the program’s own is recorded, with its total as it says; untracked values are not',
    program: {
      metrics: { tokens: { total: 'sum' } },
      steps: [epoch(0, setEpoch('tokens', [10, 20]), setEpoch('network', 'any value'))],
    },
    expected: {
      only: ['track', 'onEpochEnd'],
      calls: ['track tokens=30{"0":10,"1":20}@0', 'onEpochEnd 0 completed tokens'],
    },
  },
  {
    title: 'files, CSV and console have the same in them',
    program: {
      writes: true,
      metrics: { f1: { goal: 'max' } },
      steps: [
        epoch(0, batch(5, setBatch('train_loss', 0.5)), setEpoch('val_loss', 0.25)),
        epoch(
          2,
          setEpoch('val_loss', NAN),
          setEpoch('val_acc', { labels: { cat: 1, dog: 0 } }),
          track('learning_rate', 0.1, 137),
          track('learning_rate', 1e-7, -1),
        ),
        setRun('f1', 0.123456789),
        stop('enough'),
      ],
    },
    expected: {
      written: {
        metrics: [
          { step: 5, 'batch/train_loss': 0.5 },
          { step: 0, val_loss: 0.25 },
          { step: 137, learning_rate: 0.1 },
          { step: 0, learning_rate: 1e-7 },
          { step: 2, val_loss: 'NaN', val_acc: 0.5, 'val_acc/cat': 1, 'val_acc/dog': 0 },
          { step: 0, f1: 0.123456789 },
        ],
        status: { status: 'stopped', step: 2, error: null },
        csv: 'row,epoch,val_loss,val_acc,f1\nEPOCH,0,0.25,nan,nan\nEPOCH,2,nan,0.5,nan\nFINAL,,nan,nan,0.123456789\n',
        console: [
          'run started',
          'epoch 0, step 0: val_loss=0.25',
          'epoch 2, step 137: learning_rate=0.1',
          'epoch 2, step -1: learning_rate=1e-7',
          'epoch 2, step 2: val_loss=NaN val_acc=0.5',
          'run: f1=0.123457',
          'run stopped (enough)',
        ],
      },
    },
  },
  stopsAt('ends the run when the patience is over', {}, [1, 0.9, 0.95, 0.92, 0.1], {
    epoch: 3,
    reason: 'val_loss has not improved for 2 epochs; the best was 0.9 in epoch 1',
  }),
  stopsAt('takes larger values for better where that is the mode', { mode: 'max' }, [0.1, 0.3, 0.25, 0.3], {
    epoch: 3,
    reason: 'val_loss has not improved for 2 epochs; the best was 0.3 in epoch 1',
  }),
  stopsAt('wants more than a share of the best value', { minDeltaPercent: 1 }, [100, 99, 99], {
    epoch: 2,
    reason: 'val_loss has not improved for 2 epochs; the best was 100 in epoch 0',
  }),
  stopsAt('goes on beyond that share', { minDeltaPercent: 1 }, [100, 98.9, 98.9], null),
  stopsAt('goes on from a best value of 0', { minDeltaPercent: 5 }, [0, 0.1, -0.1, 0], null),
  stopsAt('ends the run when the metric is not finite', {}, [1, NAN], {
    epoch: 1,
    reason: 'val_loss is NaN',
  }),
  stopsAt(
    'counts what is not finite as no improvement where it is told to',
    { checkFinite: false },
    [NAN, NAN],
    {
      epoch: 1,
      reason: 'val_loss has not improved for 2 epochs; none was finite',
    },
  ),
  stopsAt('ends the run at a threshold', { stoppingThreshold: 0.05 }, [1, 0.05, 1], {
    epoch: 1,
    reason: 'val_loss has reached 0.05',
  }),
  stopsAt('ends the run at a threshold of divergence', { divergenceThreshold: 10 }, [1, 11, 1], {
    epoch: 1,
    reason: 'val_loss is 11, worse than 10',
  }),
  stopsAt('waits until so many epochs were judged', { minEpochs: 5 }, [1, 2, 3, 4, 5, 6], {
    epoch: 4,
    reason: 'val_loss has not improved for 4 epochs; the best was 1 in epoch 0',
  }),
  {
    title: 'early stopping warns once of a metric that is missing, and goes on',
    program: {
      callbacks: [{ earlyStopping: { patience: 2 } }],
      steps: losses(undefined, undefined, 1, undefined),
    },
    expected: {
      warnings: ['Early stopping finds no metric "val_loss" in epoch 0.'],
      outcome: { status: 'completed', result: null, reason: null },
    },
  },
];
