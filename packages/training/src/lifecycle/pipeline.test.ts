import { describe, expect, it } from 'vitest';
import type { Callback } from '../callbacks/callback.ts';
import { Program } from '../testing/program.ts';
import { recorder } from '../testing/recorder.ts';
import { Pipeline } from './pipeline.ts';
import { RunCancelled } from './signals.ts';

type Body = ConstructorParameters<typeof Program>[0];

/** Carries a program out and gives what trackers and callbacks were told, and how it ended. */
async function carryOut(body: Body, options: { callbacks?: Callback[]; signal?: AbortSignal } = {}) {
  const { calls, tracker, callback } = recorder();
  const warnings: string[] = [];
  const program = new Program(body, {
    params: { lr: 0.1 },
    trackers: [tracker],
    warn: (message) => warnings.push(message),
    ...options,
    callbacks: [callback, ...(options.callbacks ?? [])],
  });
  const outcome = await program.run().catch((error: unknown) => ({ error }));
  return { calls, warnings, outcome, tracked: calls.filter((call) => call.startsWith('track')) };
}

describe('the order in which trackers and callbacks are told', () => {
  it('is this one, for a run of two epochs with two batches', async () => {
    const { calls, outcome } = await carryOut(async (p) => {
      for (const n of [0, 1]) {
        await p.epoch(n, async () => {
          for (const b of [0, 1]) await p.batch(b, () => p.batchMetrics.set('train_loss', b));
          p.epochMetrics.set('val_loss', 1 - n);
        });
      }
      p.runMetrics.set('test_acc', 0.9);
      return { done: true };
    });
    const epoch = (n: number) => [
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
    ];
    expect(calls).toEqual([
      'start run',
      'params {"lr":0.1}',
      'onRunStart',
      ...epoch(0),
      ...epoch(1),
      'track test_acc=0.9@0',
      'end run completed',
      'onRunEnd completed',
      'close',
    ]);
    expect(outcome).toEqual({ status: 'completed', result: { done: true }, reason: undefined });
  });

  it('has callbacks that save checkpoints last, and all of them called though one says stop', async () => {
    const called: string[] = [];
    const make = (name: string, isLast: boolean, answer: unknown): Callback => ({
      name,
      isLast,
      onEpochEnd: () => {
        called.push(name);
        return answer;
      },
    });
    const { outcome } = await carryOut((p) => p.epoch(0, () => undefined), {
      callbacks: [make('saves', true, undefined), make('stops', false, false), make('follows', false, true)],
    });
    expect(called).toEqual(['stops', 'follows', 'saves']);
    expect(outcome).toMatchObject({ status: 'stopped', reason: 'the callback "stops" said so' });
  });
});

describe('metrics of epochs', () => {
  it('never reach the next epoch: not after an end, an exception that is caught, or in manual mode', async () => {
    const { tracked } = await carryOut(async (p) => {
      await p.epoch(0, () => p.epochMetrics.set('train_loss', 1));
      await p.epoch(1, () => p.epochMetrics.set('val_loss', 1));
      const failing = p.epoch(2, () => {
        p.epochMetrics.set('train_loss', 2);
        throw new Error('handled by the program');
      });
      await failing.catch(() => undefined);
      await p.beginEpoch(3);
      p.epochMetrics.set('val_loss', 3);
      await p.endEpoch();
      await p.epoch(4, () => undefined);
    });
    expect(tracked).toEqual([
      'track train_loss=1@0',
      'track val_loss=1@1',
      'track train_loss=2@2',
      'track val_loss=3@3',
    ]);
  });

  it('are empty for callbacks of the next epoch after an early stop of one', async () => {
    const { calls } = await carryOut(async (p) => {
      await p.epoch(0, async () => {
        p.epochMetrics.set('train_loss', 1);
        await p.batch(0, () => p.stopEpoch('short'));
      });
      await p.epoch(1, () => p.epochMetrics.set('val_loss', 1));
    });
    expect(calls.filter((call) => call.startsWith('onEpochEnd'))).toEqual([
      'onEpochEnd 0 stopped train_loss',
      'onEpochEnd 1 completed val_loss',
    ]);
  });
});

describe('a run that ends early', () => {
  it('is stopped from a batch: the metrics of that epoch are recorded, and it is no failure', async () => {
    const { calls, outcome } = await carryOut((p) =>
      p.epoch(0, async () => {
        p.epochMetrics.set('train_loss', 0.5);
        await p.batch(0, () => p.stop('enough'));
        await p.batch(1, () => undefined);
      }),
    );
    expect(calls.slice(5)).toEqual([
      'start batch 0',
      'end batch 0 completed',
      'onBatchEnd 0 completed',
      'track train_loss=0.5@0',
      'end epoch 0 stopped',
      'onEpochEnd 0 stopped train_loss',
      'end run stopped',
      'onRunEnd stopped',
      'close',
    ]);
    expect(outcome).toEqual({ status: 'stopped', result: undefined, reason: 'enough' });
  });

  it('ends only the epoch where only that is wanted', async () => {
    const { calls, outcome } = await carryOut(async (p) => {
      await p.epoch(0, async () => {
        await p.batch(0, () => p.stopEpoch('bad data'));
        await p.batch(1, () => undefined);
      });
      await p.epoch(1, () => p.batch(0, () => undefined));
    });
    expect(calls.filter((call) => call.startsWith('end'))).toEqual([
      'end batch 0 completed',
      'end epoch 0 stopped',
      'end batch 0 completed',
      'end epoch 1 completed',
      'end run completed',
    ]);
    expect(outcome).toMatchObject({ status: 'completed' });
  });

  it('is cancelled within a second, also inside of an epoch that waits for ever', async () => {
    const controller = new AbortController();
    const { calls, outcome } = await carryOut(
      (p) =>
        p.epoch(0, () => {
          p.epochMetrics.set('train_loss', 1);
          controller.abort(new Error('no longer wanted'));
          return new Promise(() => {});
        }),
      { signal: controller.signal },
    );
    expect(calls.slice(-5)).toEqual([
      'track train_loss=1@0',
      'end epoch 0 cancelled',
      'end run cancelled',
      'onRunEnd cancelled',
      'close',
    ]);
    expect(outcome).toEqual({ error: expect.any(RunCancelled) });
    expect(outcome).toMatchObject({ error: { message: 'no longer wanted' } });
  });
});

describe('a run that fails', () => {
  it('closes all levels, keeps the metrics of all epochs, tells callbacks and throws', async () => {
    const { calls, outcome } = await carryOut(async (p) => {
      for (const n of [0, 1, 2]) {
        await p.epoch(n, async () => {
          p.epochMetrics.set('train_loss', n);
          await p.batch(0, () => {
            if (n === 2) throw new TypeError('bad batch');
          });
        });
      }
    });
    expect(calls.filter((call) => /^track|^end [er]|^on[RE]/.test(call))).toEqual([
      'onRunStart',
      'onEpochStart 0',
      'track train_loss=0@0',
      'end epoch 0 completed',
      'onEpochEnd 0 completed train_loss',
      'onEpochStart 1',
      'track train_loss=1@1',
      'end epoch 1 completed',
      'onEpochEnd 1 completed train_loss',
      'onEpochStart 2',
      'track train_loss=2@2',
      'end epoch 2 failed',
      'onException TypeError: bad batch',
      'end run failed',
      'onRunEnd failed',
    ]);
    expect(outcome).toMatchObject({ error: { message: 'bad batch' } });
  });

  it('says where: file, line, function and type', async () => {
    let error: unknown;
    await carryOut(
      function trainsBadly() {
        throw new RangeError('here');
      },
      {
        callbacks: [
          {
            name: 'looks',
            onRunEnd({ end }) {
              error = end.error;
            },
          },
        ],
      },
    );
    expect(error).toMatchObject({
      type: 'RangeError',
      message: 'here',
      file: expect.stringContaining('pipeline.test.ts'),
      line: expect.any(Number),
      function: expect.stringContaining('trainsBadly'),
    });
  });

  it('fails when a callback throws, after the others were called', async () => {
    const called: string[] = [];
    const { outcome } = await carryOut((p) => p.epoch(0, () => undefined), {
      callbacks: [
        { name: 'throws', onEpochEnd: () => Promise.reject(new Error('in a callback')) },
        { name: 'follows', onEpochEnd: () => void called.push('follows') },
      ],
    });
    expect(called).toEqual(['follows']);
    expect(outcome).toMatchObject({ error: { message: 'in a callback' } });
  });
});

describe('misuse', () => {
  it('of run() is refused when the pipeline is made', () => {
    class Overriding extends Pipeline {
      protected train() {}
      override run = () => Promise.reject(new Error('never'));
    }
    expect(() => new Overriding()).not.toThrow();
    class OverridingMethod extends Pipeline {
      protected train() {}
      override run() {
        return super.run();
      }
    }
    expect(() => new OverridingMethod()).toThrow('OverridingMethod overrides run()');
  });

  it('of levels is refused: an epoch inside of an epoch, a batch outside of one, a second run', async () => {
    const { outcome } = await carryOut((p) => p.epoch(0, () => p.epoch(1, () => undefined)));
    expect(outcome).toMatchObject({ error: { message: expect.stringContaining('epoch 0 is open') } });
    const outside = await carryOut((p) => p.batch(0, () => undefined));
    expect(outside.outcome).toMatchObject({ error: { message: expect.stringContaining('the run is open') } });
    const once = new Program(() => undefined);
    await once.run();
    await expect(once.run()).rejects.toThrow('A pipeline runs once');
  });

  it('of manual mode is told: an epoch left open ends with the run, with its metrics', async () => {
    const { calls, warnings } = await carryOut(async (p) => {
      await p.beginEpoch(7);
      p.epochMetrics.set('train_loss', 3);
    });
    expect(calls.slice(-5)).toEqual([
      'track train_loss=3@7',
      'end epoch 7 failed',
      'end run completed',
      'onRunEnd completed',
      'close',
    ]);
    expect(warnings).toEqual(['epoch 7 was not ended; it ends with the run.']);
  });

  it('of names is refused with the one that was meant', async () => {
    const { outcome } = await carryOut((p) => p.epoch(0, () => p.epochMetrics.set('val_los', 1)));
    expect(outcome).toMatchObject({
      error: {
        message:
          'There is no metric "val_los". Did you mean "val_loss"? A metric of your own is registered first: metrics: { "val_los": {} }.',
      },
    });
  });
});

it('a value that is tracked at once has the step that the program says', async () => {
  const { tracked } = await carryOut((p) =>
    p.epoch(3, () => {
      p.track('learning_rate', 0.01, { step: 137 });
      p.track('learning_rate', 0.02);
    }),
  );
  expect(tracked).toEqual(['track learning_rate=0.01@137', 'track learning_rate=0.02@3']);
});
