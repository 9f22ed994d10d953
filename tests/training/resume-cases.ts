import type { BehaviourCase, Program, Step } from './behaviour-case.ts';
import { attempt, batch, eachEpoch, epoch, setBatch } from './steps.ts';

const eachBatch: Step = { do: 'eachBatch' };
const dies = (at: { epoch: number; batch: number }): Step => ({ do: 'eachBatch', failsAt: at });
const every = { checkpoints: { options: { topK: -1, everyBatches: 1 } } } as const;
const add = (name: string, value: number, weight?: number): Step => ({
  ...{ do: 'add', of: 'epoch', name, value },
  ...(weight !== undefined && { weight }),
});

const STOPPED: Program = { ...every, steps: [eachEpoch(2, dies({ epoch: 1, batch: 1 }))] };

/** What the second epoch records, in every language. */
const SECOND = [
  ...['epoch 1', 'track train_loss=3297@3', 'track train_loss=4516@4', 'track train_loss=80@5'],
  'track val_loss=3141.2000000000003@1',
];

/** Where a run goes on, and that it records then what it would have recorded. */
export const RESUME_CASES: readonly BehaviourCase[] = [
  {
    title: 'the batches of each epoch are seeded, shuffled anew, and have their number in the run as step',
    program: { steps: [eachEpoch(2, eachBatch)] },
    expected: {
      only: ['track', 'epoch'],
      calls: [
        'epoch 0',
        ...['track train_loss=5219@0', 'track train_loss=4738@1', 'track train_loss=60@2'],
        ...['track val_loss=3994.8@0', ...SECOND],
      ],
    },
  },
  {
    title:
      'a run that died in an epoch goes on behind the batches that were done, and records that epoch whole',
    program: { before: STOPPED, resumes: true, ...every, steps: [eachEpoch(2, eachBatch)] },
    expected: {
      only: ['track', 'epoch'],
      calls: SECOND.filter((call) => !call.endsWith('@3')),
      warnings: [],
    },
  },
  {
    title: 'a run whose epochs are all done has nothing to do, and one of fewer epochs is refused',
    program: {
      before: { checkpoints: {}, steps: [eachEpoch(2)] },
      resumes: true,
      steps: [eachEpoch(2), attempt(eachEpoch(3)), eachEpoch(1)],
    },
    expected: {
      only: ['epoch'],
      calls: ['epoch 2'],
      outcome: {
        typescript: {
          error:
            'RangeError: The checkpoint DIR/checkpoints/epoch-1 is of epoch 1, and this run has only 1 epochs; give it at least 2.',
        },
        python: {
          error:
            'ValueError: The checkpoint DIR/checkpoints/epoch-1 is of epoch 1, and this run has only 1 epochs; give it at least 2.',
        },
      },
    },
  },
  {
    title: 'batches have the step that the program says, and of every so many the metrics are recorded',
    program: {
      recordBatchesEvery: 2,
      steps: [
        epoch(
          0,
          ...[0, 1, 2, 3].map(
            (n): Step => ({
              ...{ do: 'batch', n, step: 10 * n },
              steps: [setBatch('train_loss', n)],
            }),
          ),
        ),
      ],
    },
    expected: { only: ['track'], calls: ['track train_loss=1@10', 'track train_loss=3@30'] },
  },
  {
    title: 'values that are added become their weighted mean, their sum, the smallest or the largest',
    program: {
      metrics: { tokens: { over: 'sum' }, low: { over: 'min' }, high: { over: 'max' } },
      steps: [
        epoch(
          0,
          add('train_loss', 1, 3),
          add('train_loss', 5),
          ...['tokens', 'low', 'high'].flatMap((name) => [add(name, 4), add(name, 2), add(name, 3)]),
          attempt(add('train_loss', 1, 0)),
        ),
      ],
    },
    expected: {
      only: ['track'],
      calls: ['track train_loss=2@0 tokens=9@0 low=2@0 high=4@0'],
    },
  },
  {
    title: 'a callback that stops the epoch before a batch lets that batch not be carried out',
    program: {
      callbacks: [{ name: 'c', on: 'onBatchStart', n: 1, does: 'stops the epoch' }],
      steps: [epoch(0, batch(0), batch(1, setBatch('train_loss', 1)), batch(2)), epoch(1)],
    },
    expected: {
      only: ['start', 'end', 'track'],
      calls: [
        ...['start run', 'start epoch 0', 'start batch 0', 'end batch 0 completed'],
        ...['start batch 1', 'end batch 1 stopped', 'end epoch 0 stopped'],
        ...['start epoch 1', 'end epoch 1 completed', 'end run completed'],
      ],
    },
  },
];
