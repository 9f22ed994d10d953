import type { BehaviourCase } from './behaviour-case.ts';
import {
  attempt,
  batch,
  beginEpoch,
  cancelled,
  endEpoch,
  epoch,
  fail,
  setBatch,
  setEpoch,
  setRun,
  stop,
  stopEpoch,
  track,
} from './steps.ts';

const ENDS = ['end'];
const COMPLETED = { status: 'completed', result: null, reason: null } as const;

/** How a run goes, in which order trackers and callbacks are told of it, and how it ends. */
export const LIFECYCLE_CASES: readonly BehaviourCase[] = [
  {
    title: 'a run of two epochs with two batches tells trackers and callbacks in this order',
    program: {
      params: { lr: 0.1 },
      steps: [
        epoch(
          0,
          batch(0, setBatch('train_loss', 0)),
          batch(1, setBatch('train_loss', 1)),
          setEpoch('val_loss', 1),
        ),
        epoch(
          1,
          batch(0, setBatch('train_loss', 0)),
          batch(1, setBatch('train_loss', 1)),
          setEpoch('val_loss', 0),
        ),
        setRun('test_acc', 0.9),
        { do: 'return', value: { done: true } },
      ],
    },
    expected: {
      calls: [
        'start run',
        'params {"lr":0.1}',
        'onRunStart',
        ...[0, 1].flatMap((n) => [
          `start epoch ${n}`,
          `onEpochStart ${n}`,
          ...[0, 1].flatMap((b) => [
            `start batch ${b}`,
            `track train_loss=${b}@${b}`,
            `end batch ${b} completed`,
            `onBatchEnd ${b} completed`,
          ]),
          `track val_loss=${1 - n}@${n}`,
          `end epoch ${n} completed`,
          `onEpochEnd ${n} completed val_loss`,
        ]),
        'track test_acc=0.9@0',
        'end run completed',
        'onRunEnd completed',
        'close',
      ],
      warnings: [],
      outcome: { status: 'completed', result: { done: true }, reason: null },
    },
  },
  {
    title: 'metrics of epochs never reach the next: not after an end, a handled error, or in manual mode',
    program: {
      steps: [
        epoch(0, setEpoch('train_loss', 1)),
        epoch(1, setEpoch('val_loss', 1)),
        attempt(epoch(2, setEpoch('train_loss', 2), fail('handled'))),
        beginEpoch(3),
        setEpoch('val_loss', 3),
        endEpoch,
        epoch(4),
      ],
    },
    expected: {
      only: ['track', 'caught'],
      calls: [
        'track train_loss=1@0',
        'track val_loss=1@1',
        'track train_loss=2@2',
        'caught TypeError: handled',
        'track val_loss=3@3',
      ],
      outcome: COMPLETED,
    },
  },
  {
    title:
      'metrics set where no epoch, batch or run is open are refused: nothing is lost silently, or in the next',
    program: {
      steps: [
        attempt(setEpoch('train_loss', 9)),
        epoch(0, setEpoch('val_loss', 1), attempt(setBatch('train_loss', 9))),
        attempt(setEpoch('network', 9)),
        epoch(1, batch(0)),
      ],
    },
    expected: {
      only: ['track', 'caught'],
      calls: [
        'caught MetricOutOfScope: The metric "train_loss" was set while no epoch is open, so it would be lost; set it inside of one, or track it.',
        'caught MetricOutOfScope: The metric "train_loss" was set while no batch is open, so it would be lost; set it inside of one, or track it.',
        'track val_loss=1@0',
        'caught MetricOutOfScope: The metric "network" was set while no epoch is open, so it would be lost; set it inside of one, or track it.',
      ],
    },
  },
  {
    title: 'a callback that stops the run when it begins lets no program begin',
    program: { callbacks: [{ name: 'c', on: 'onRunStart', does: 'stops' }], steps: [epoch(0)] },
    expected: {
      only: ['start', 'end', 'onRunEnd'],
      calls: ['start run', 'end run stopped', 'onRunEnd stopped'],
      outcome: { status: 'stopped', result: null, reason: 'c has had enough' },
    },
  },
  {
    title: 'a callback that stops the run when an epoch begins lets it not be carried out',
    program: {
      callbacks: [{ name: 'c', on: 'onEpochStart', n: 1, does: 'stops' }],
      steps: [epoch(0, batch(0)), epoch(1, setEpoch('val_loss', 1), batch(0))],
    },
    expected: {
      only: ['start', 'end', 'onEpochEnd', 'track'],
      calls: [
        'start run',
        'start epoch 0',
        'start batch 0',
        'end batch 0 completed',
        'end epoch 0 completed',
        'onEpochEnd 0 completed ',
        'start epoch 1',
        'end epoch 1 stopped',
        'onEpochEnd 1 stopped ',
        'end run stopped',
      ],
      outcome: { status: 'stopped', result: null, reason: 'c has had enough' },
    },
  },
  {
    title: 'an epoch that is stopped from a batch keeps its metrics, and the next has only its own',
    program: {
      steps: [
        epoch(0, setEpoch('train_loss', 1), batch(0, stopEpoch('short')), batch(1)),
        epoch(1, setEpoch('val_loss', 1)),
      ],
    },
    expected: {
      only: ['end', 'track', 'onEpochEnd'],
      calls: [
        'end batch 0 completed',
        'track train_loss=1@0',
        'end epoch 0 stopped',
        'onEpochEnd 0 stopped train_loss',
        'track val_loss=1@1',
        'end epoch 1 completed',
        'onEpochEnd 1 completed val_loss',
        'end run completed',
      ],
      outcome: COMPLETED,
    },
  },
  {
    title: 'a run that is stopped from a batch records that epoch, and is no failure',
    program: { steps: [epoch(0, setEpoch('train_loss', 0.5), batch(0, stop('enough')), batch(1)), epoch(1)] },
    expected: {
      calls: [
        'start run',
        'params {}',
        'onRunStart',
        'start epoch 0',
        'onEpochStart 0',
        'start batch 0',
        'end batch 0 completed',
        'onBatchEnd 0 completed',
        'track train_loss=0.5@0',
        'end epoch 0 stopped',
        'onEpochEnd 0 stopped train_loss',
        'end run stopped',
        'onRunEnd stopped',
        'close',
      ],
      outcome: { status: 'stopped', result: null, reason: 'enough' },
    },
  },
  {
    title: 'a run that is stopped in manual mode closes its epoch and ends as stopped',
    program: { steps: [beginEpoch(0), setEpoch('train_loss', 1), batch(0, stop('enough')), endEpoch] },
    expected: {
      only: ['end', 'track', 'on'],
      calls: [
        'onRunStart',
        'onEpochStart 0',
        'end batch 0 completed',
        'onBatchEnd 0 completed',
        'track train_loss=1@0',
        'end epoch 0 stopped',
        'onEpochEnd 0 stopped train_loss',
        'end run stopped',
        'onRunEnd stopped',
      ],
      warnings: [],
      outcome: { status: 'stopped', result: null, reason: 'enough' },
    },
  },
  {
    title: 'the first reason to stop counts, and what the program returned is kept',
    program: { steps: [stop('first'), stop('second'), { do: 'return', value: 7 }] },
    expected: { outcome: { status: 'stopped', result: 7, reason: 'first' } },
  },
  {
    title: 'a run is cancelled at once inside of an epoch that waits for ever, with its metrics',
    program: { steps: [epoch(0, setEpoch('train_loss', 1), cancelled)] },
    expected: {
      only: ['track', 'end', 'onE', 'onRunEnd', 'close'],
      calls: [
        'onEpochStart 0',
        'track train_loss=1@0',
        'end epoch 0 cancelled',
        'end run cancelled',
        'onRunEnd cancelled',
        'close',
      ],
      outcome: { error: 'RunCancelled: the program got SIGTERM' },
    },
  },
  {
    title: 'a run is cancelled outside of any epoch, and a program that handles its errors does not keep it',
    program: { steps: [attempt(cancelled), epoch(0)] },
    expected: {
      only: ['start', 'end', 'caught'],
      calls: ['start run', 'end run cancelled'],
      outcome: { error: 'RunCancelled: the program got SIGTERM' },
    },
  },
  {
    title: 'a run that fails closes all levels, keeps the metrics of all epochs, tells callbacks and throws',
    program: {
      steps: [
        epoch(0, setEpoch('train_loss', 0), batch(0)),
        epoch(1, setEpoch('train_loss', 1), batch(0)),
        setRun('test_acc', 0.5),
        epoch(2, setEpoch('train_loss', 2), batch(0, setBatch('train_acc', 0.1), fail('bad batch'))),
      ],
    },
    expected: {
      only: ['track', 'end', 'onR', 'onE'],
      calls: [
        'onRunStart',
        ...[0, 1].flatMap((n) => [
          `onEpochStart ${n}`,
          'end batch 0 completed',
          `track train_loss=${n}@${n}`,
          `end epoch ${n} completed`,
          `onEpochEnd ${n} completed train_loss`,
        ]),
        'onEpochStart 2',
        'track train_acc=0.1@0',
        'end batch 0 failed',
        'track train_loss=2@2',
        'end epoch 2 failed',
        'onException TypeError: bad batch',
        'track test_acc=0.5@0',
        'end run failed',
        'onRunEnd failed',
      ],
      outcome: { error: 'TypeError: bad batch' },
    },
  },
  {
    title: 'an epoch left open ends with the run, with its metrics and a warning',
    program: { steps: [beginEpoch(7), setEpoch('train_loss', 3)] },
    expected: {
      only: ['track', 'end', 'onEpochEnd', 'onRunEnd', 'close'],
      calls: [
        'track train_loss=3@7',
        'end epoch 7 failed',
        'end run completed',
        'onRunEnd completed',
        'close',
      ],
      warnings: ['epoch 7 was not ended; it ends with the run.'],
      outcome: COMPLETED,
    },
  },
  {
    title: 'an epoch left open by an error fails with the run, without a warning',
    program: { steps: [beginEpoch(7), setEpoch('train_loss', 3), fail('lost')] },
    expected: {
      only: ['track', 'end'],
      calls: ['track train_loss=3@7', 'end epoch 7 failed', 'end run failed'],
      warnings: [],
      outcome: { error: 'TypeError: lost' },
    },
  },
  {
    title: 'an epoch inside of an epoch is refused, and so is the end of one that is not open',
    program: { steps: [attempt(epoch(0, epoch(1))), attempt(endEpoch), attempt(batch(0))] },
    expected: {
      only: ['caught', 'end'],
      calls: [
        'end epoch 0 failed',
        'caught LifecycleMisuse: A level "epoch" begins inside of a level "run", but epoch 0 is open.',
        'caught LifecycleMisuse: There is no open epoch to end.',
        'caught LifecycleMisuse: A level "batch" begins inside of a level "epoch", but the run is open.',
        'end run completed',
      ],
      outcome: COMPLETED,
    },
  },
  {
    title: 'a value that is tracked at once has the step that the program says, else that of its epoch',
    program: {
      steps: [
        track('learning_rate', 0.5),
        epoch(3, track('learning_rate', 0.01, 137), batch(9, track('learning_rate', 0.02))),
        { do: 'logParams', params: { later: true } },
        attempt(track('learning_rate', 1, 1.5)),
      ],
    },
    expected: {
      only: ['track', 'params', 'onBatchEnd'],
      calls: [
        'params {}',
        'track learning_rate=0.5@0',
        'track learning_rate=0.01@137',
        'track learning_rate=0.02@3',
        'onBatchEnd 9 completed',
        'params {"later":true}',
      ],
    },
  },
  {
    title: 'callbacks that are last come last, and all are called though one says stop',
    program: {
      callbacks: [
        { name: 'last', isLast: true, on: 'onEpochEnd', does: 'throws' },
        { name: 'says-stop', on: 'onEpochEnd', does: 'answers false' },
        { name: 'also', on: 'onEpochEnd', does: 'stops' },
      ],
      steps: [epoch(0, setEpoch('val_loss', 1)), epoch(1)],
    },
    expected: {
      only: ['end', 'onEpochEnd', 'onException', 'onRunEnd'],
      calls: [
        'end epoch 0 completed',
        'onEpochEnd 0 completed val_loss',
        'onException TypeError: thrown by last',
        'end run failed',
        'onRunEnd failed',
      ],
      outcome: { error: 'TypeError: thrown by last' },
    },
  },
  {
    title: 'a callback that answers false ends the run as stopped by it',
    program: {
      callbacks: [{ name: 'says-stop', on: 'onBatchEnd', n: 1, does: 'answers false' }],
      steps: [epoch(0, batch(0), batch(1), batch(2))],
    },
    expected: {
      only: ENDS,
      calls: ['end batch 0 completed', 'end batch 1 completed', 'end epoch 0 stopped', 'end run stopped'],
      outcome: { status: 'stopped', result: null, reason: 'the callback "says-stop" said so' },
    },
  },
  {
    title: 'a callback that throws when an epoch begins fails it and the run',
    program: {
      callbacks: [{ name: 'c', on: 'onEpochStart', does: 'throws' }],
      steps: [epoch(0, setEpoch('val_loss', 1))],
    },
    expected: {
      only: ENDS,
      calls: ['end epoch 0 failed', 'end run failed'],
      outcome: { error: 'TypeError: thrown by c' },
    },
  },
  {
    title: 'a callback that throws when the run begins fails the run before the program begins',
    program: { callbacks: [{ name: 'c', on: 'onRunStart', does: 'throws' }], steps: [epoch(0)] },
    expected: {
      only: ['start', 'end'],
      calls: ['start run', 'end run failed'],
      outcome: { error: 'TypeError: thrown by c' },
    },
  },
  {
    title: 'a callback that throws when the run ends lets run() throw, once everything was closed',
    program: { callbacks: [{ name: 'c', on: 'onRunEnd', does: 'throws' }], steps: [] },
    expected: {
      only: ['end', 'close'],
      calls: ['end run completed', 'close'],
      outcome: { error: 'TypeError: thrown by c' },
    },
  },
  {
    title: 'a callback that throws while it is told of a failure is warned of; the failure is thrown',
    program: { callbacks: [{ name: 'c', on: 'onException', does: 'throws' }], steps: [fail('first')] },
    expected: {
      only: ENDS,
      calls: ['end run failed'],
      warnings: ['A callback has failed while it was told of the failure: TypeError: thrown by c'],
      outcome: { error: 'TypeError: first' },
    },
  },
];
