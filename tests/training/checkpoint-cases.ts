import type { BehaviourCase, Program, Step, Value } from './behaviour-case.ts';
import { batch, epoch, fail, setBatch, setEpoch } from './steps.ts';

const NAN: Value = { number: 'NaN' };

/** Epochs with these losses, from a number on. */
const losses = (values: readonly Value[], from = 0): Step[] =>
  values.map((value, index) => epoch(from + index, setEpoch('val_loss', value)));
const batches = (count: number, from = 0): Step[] =>
  Array.from({ length: count }, (_, index) => batch(from + index, setBatch('train_loss', 1)));
const ranked = (options: Readonly<Record<string, unknown>> = {}) => ({
  options: { metric: 'val_loss', ...options },
});
const namesOf = (...names: string[]) => names.flatMap((name) => [name, `${name}.json`]).sort();

function keeps(title: string, program: Program, names: readonly string[]): BehaviourCase {
  return { title, program, expected: { kept: { names: namesOf(...names) } } };
}

const THREE: Program = { checkpoints: ranked({ topK: -1 }), steps: losses([3, 2, 1]) };

/** What is saved, what is kept of it, and what a run goes on from. */
export const CHECKPOINT_CASES: readonly BehaviourCase[] = [
  ...(
    [
      [0, false, []],
      [0, true, ['epoch-4']],
      [1, false, ['epoch-1']],
      [2, true, ['epoch-1', 'epoch-3', 'epoch-4']],
      [-1, false, ['epoch-0', 'epoch-1', 'epoch-2', 'epoch-3', 'epoch-4']],
    ] as const
  )
    .filter(([topK, keepLast]) => topK !== 0 || keepLast)
    .map(([topK, keepLast, names]) =>
      keeps(
        `of the best ${topK}, with the newest ${keepLast}, is exactly on disk`,
        { checkpoints: ranked({ topK, keepLast }), steps: losses([5, 1, 3, 2, 4]) },
        names,
      ),
    ),
  keeps(
    'of equal checkpoints the older is better, and NaN is the worst',
    { checkpoints: ranked({ keepLast: false }), steps: losses([NAN, 1, 1, NAN]) },
    ['epoch-1'],
  ),
  keeps(
    'larger values are better where that is the mode',
    { checkpoints: ranked({ keepLast: false, mode: 'max' }), steps: losses([1, 3, 2]) },
    ['epoch-1'],
  ),
  keeps(
    'a checkpoint is saved after so many epochs, and at the end of the run what is not saved',
    { checkpoints: ranked({ topK: -1, everyEpochs: 2 }), steps: losses([3, 2, 1]) },
    ['epoch-1', 'final'],
  ),
  {
    title: 'a checkpoint is saved after so many batches, and not again at the end of the epoch',
    program: {
      checkpoints: ranked({ topK: -1, everyBatches: 2 }),
      steps: [epoch(0, ...batches(4)), epoch(1, ...batches(4))],
    },
    expected: {
      kept: {
        names: namesOf('epoch-0-batch-2', 'epoch-0-batch-4', 'epoch-1-batch-6', 'epoch-1-batch-8'),
        latest: { name: 'epoch-1-batch-8', order: 4, epoch: 1, batchesOfEpoch: 4, batches: 8, value: null },
      },
    },
  },
  keeps(
    'a checkpoint is saved when a time is over, and not before',
    { checkpoints: ranked({ topK: -1, everyMs: 3_600_000 }), steps: losses([2, 1]) },
    ['final'],
  ),
  keeps(
    'a run that fails saves what it has if it is to, and no final one',
    {
      checkpoints: ranked({ topK: -1, everyEpochs: 5, saveOnException: true }),
      steps: [...losses([2]), epoch(1, ...batches(1), fail('broken'))],
    },
    ['epoch-1-failed'],
  ),
  {
    title: 'a save that breaks off fails the run, leaves the checkpoint before it, and nothing of its own',
    program: {
      before: { checkpoints: ranked(), steps: losses([1]) },
      checkpoints: { ...ranked(), save: 'throws' },
      steps: losses([1]),
    },
    expected: {
      kept: { names: namesOf('epoch-0') },
      outcome: { error: 'TypeError: the disk is full' },
    },
  },
  {
    title: 'checkpoints are recorded as Trainyard reads them, also those that are directories',
    program: { checkpoints: { ...ranked(), save: 'directory' }, steps: losses([2, NAN]) },
    expected: {
      kept: {
        names: namesOf('epoch-0', 'epoch-1'),
        latest: {
          ...{ name: 'epoch-1', order: 2, epoch: 1, batchesOfEpoch: null, batches: 0, value: null },
          // Of both files with their paths and sizes: a program in one language goes on with what one in the other saved.
          sha256: '79e7fce6f9bd207a7dbabcebce4367c0cb8b6b70229392007a9d274e278ac9c3',
        },
        recorded: [
          { name: 'epoch-0', step: 0, epoch: 0, metrics: { val_loss: 2 } },
          { name: 'epoch-1', step: 1, epoch: 1, metrics: { val_loss: null } },
        ],
      },
    },
  },
  {
    title: 'a run resumes from the checkpoint before the newest when that is damaged',
    program: {
      before: THREE,
      damages: ['epoch-2'],
      resumes: true,
      checkpoints: ranked({ topK: -1 }),
      steps: losses([1.5], 2),
    },
    expected: {
      kept: {
        names: namesOf('epoch-0', 'epoch-1', 'epoch-2', 'epoch-2-v2'),
        latest: { name: 'epoch-2-v2', order: 4, epoch: 2, batchesOfEpoch: null, batches: 0, value: 1.5 },
      },
      warnings: [],
    },
  },
  keeps(
    'a run never removes the checkpoint that it resumes from, and ranks what was kept before',
    {
      before: { checkpoints: ranked(), steps: losses([1, 3]) },
      resumes: true,
      checkpoints: ranked(),
      steps: losses([2, 4], 2),
    },
    ['epoch-0', 'epoch-1', 'epoch-3'],
  ),
  {
    title: 'a run that resumes in the middle of an epoch counts on from there',
    program: {
      before: {
        checkpoints: { options: { topK: -1, everyBatches: 3 } },
        steps: [epoch(0, ...batches(4), fail('killed'))],
      },
      resumes: true,
      checkpoints: { options: { topK: -1, everyBatches: 3 } },
      steps: [epoch(0, ...batches(2, 3)), epoch(1, ...batches(2))],
    },
    expected: {
      kept: {
        names: namesOf('epoch-0-batch-3', 'epoch-1-batch-6', 'final'),
        latest: { name: 'final', order: 3, epoch: 1, batchesOfEpoch: null, batches: 7, value: null },
      },
    },
  },
  {
    title: 'a run that resumes ends as an uninterrupted one: its callbacks go on from what they had',
    program: {
      before: {
        checkpoints: ranked(),
        callbacks: [{ earlyStopping: { patience: 3 } }],
        steps: losses([5, 4, 3, 3.5]),
        writes: true,
      },
      resumes: true,
      checkpoints: ranked(),
      callbacks: [{ earlyStopping: { patience: 3 } }],
      steps: losses([3.2, 3.1, 3.3], 4),
      writes: true,
    },
    expected: {
      outcome: {
        status: 'stopped',
        result: null,
        reason: 'val_loss has not improved for 3 epochs; the best was 3 in epoch 2',
      },
      warnings: [],
    },
  },
  {
    title: 'a run is warned of a callback whose state is missing, and of a state without a callback',
    program: {
      before: { checkpoints: ranked(), callbacks: [{ earlyStopping: {} }], steps: losses([1]) },
      resumes: true,
      checkpoints: ranked(),
      callbacks: [{ earlyStopping: { metric: 'val_acc' } }],
      steps: losses([2], 1),
    },
    expected: {
      warnings: [
        'The checkpoint DIR/checkpoints/epoch-0 has a state of the callback "early-stopping val_loss", which this run lacks.',
        'The checkpoint DIR/checkpoints/epoch-0 has no state of the callback "early-stopping val_acc"; it begins anew.',
        'Early stopping finds no metric "val_acc" in epoch 1.',
      ],
    },
  },
  {
    title: 'the learning rate is recorded when an epoch begins, with its number as step',
    program: {
      callbacks: [{ learningRateMonitor: {} }],
      steps: [epoch(3, ...batches(2)), epoch(4)],
    },
    expected: {
      only: ['track learning_rate'],
      calls: ['track learning_rate=1@3', 'track learning_rate=0.5@4'],
    },
  },
  {
    title: 'the learning rate is recorded at the end of each batch if it is to',
    program: {
      callbacks: [{ learningRateMonitor: { every: 'batch' } }],
      steps: [epoch(3, ...batches(2, 7))],
    },
    expected: {
      only: ['track learning_rate'],
      calls: ['track learning_rate=1@7', 'track learning_rate=0.5@8'],
    },
  },
  {
    title: 'the progress bar leaves a line of each epoch',
    program: {
      callbacks: [{ progressBar: { epochs: 2, batches: 1 } }],
      steps: [
        epoch(0, batch(0), setEpoch('val_loss', 0.123456)),
        epoch(1, setEpoch('val_loss', NAN), setEpoch('val_acc', 1)),
      ],
    },
    expected: {
      shown: ['epoch 1/2  T s  val_loss=0.1235', 'epoch 2/2  T s  val_loss=NaN val_acc=1'],
    },
  },
];
