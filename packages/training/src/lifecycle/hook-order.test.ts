import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Callback, CallbackContext } from '../callbacks/callback.ts';
import { ModelCheckpoint } from '../callbacks/model-checkpoint.ts';
import { Program } from '../testing/program.ts';
import { recorder } from '../testing/recorder.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-hooks-'));
afterAll(() => rmSync(root, { recursive: true }));

const HOOKS = [
  'onRunStart',
  'onEpochStart',
  'onBatchStart',
  'onBatchEnd',
  'onEpochEnd',
  'onException',
  'onRunEnd',
] as const;
type Hook = (typeof HOOKS)[number];
type Act = (hook: Hook, context: CallbackContext) => unknown;

/** A callback that notes each call of each hook, and may do something then. */
function listener(name: string, calls: string[], act: Act = () => undefined, isLast = false): Callback {
  const hooks = HOOKS.map((hook) => [
    hook,
    (context: CallbackContext) => {
      calls.push(`${name} ${hook}${context.level.kind === 'run' ? '' : ` ${context.level.index}`}`);
      return act(hook, context);
    },
  ]);
  return { name, isLast, ...Object.fromEntries(hooks) };
}

const twoEpochs = async (p: Program) => {
  for (const n of [0, 1]) {
    await p.epoch(n, async () => {
      for (const b of [0, 1]) await p.batch(b, () => p.batchMetrics.set('train_loss', b));
      p.epochMetrics.set('val_loss', n);
    });
  }
};

async function told(act: Act, body: (p: Program) => unknown = twoEpochs) {
  const calls: string[] = [];
  const program = new Program(body, { callbacks: [listener('c', calls, act)], warn: () => {} });
  const outcome = await program.run().then(
    ({ status }) => status,
    (error: unknown) => String(error),
  );
  return { calls: calls.map((call) => call.slice(2)), outcome };
}

describe('the order of all hooks', () => {
  it('is this one for a fit, with callbacks in the order in which they are given and the last ones last', async () => {
    const calls: string[] = [];
    const { tracker, calls: tracked } = recorder();
    const logged: Callback = listener('first', calls);
    const program = new Program(twoEpochs, {
      trackers: [tracker],
      callbacks: [listener('last', calls, undefined, true), logged, listener('second', calls)],
    });
    await program.run();
    const all = (hook: string) => ['first', 'second', 'last'].map((name) => `${name} ${hook}`);
    const batch = (b: number) => [...all(`onBatchStart ${b}`), ...all(`onBatchEnd ${b}`)];
    const epoch = (n: number) => [
      ...all(`onEpochStart ${n}`),
      ...batch(0),
      ...batch(1),
      ...all(`onEpochEnd ${n}`),
    ];
    expect(calls).toEqual([...all('onRunStart'), ...epoch(0), ...epoch(1), ...all('onRunEnd')]);
    expect(tracked.at(-1)).toBe('close');
  });

  it('is this one for a run that only evaluates, or only predicts', async () => {
    const evaluating = await told(
      () => undefined,
      (p) => p.runMetrics.set('test_acc', 1),
    );
    const predicting = await told(
      () => undefined,
      () => [1, 2, 3],
    );
    expect(evaluating).toEqual({ calls: ['onRunStart', 'onRunEnd'], outcome: 'completed' });
    expect(predicting).toEqual(evaluating);
  });

  it.each([
    { record: 1, save: 1, judge: 1 },
    { record: 2, save: 3, judge: 2 },
    { record: 3, save: 2, judge: 1 },
    { record: 4, save: 5, judge: 3 },
  ])(
    'keeps to its steps: recording every $record, saving every $save batches, judging every $judge epochs',
    async ({ record, save, judge }) => {
      const { tracker, calls } = recorder();
      const program = new Program(
        (p) =>
          p.eachEpoch(3, async (epoch) => {
            await p.eachBatch([0, 1, 2, 3], (item) => p.batchMetrics.set('train_loss', item));
            if ((epoch + 1) % judge === 0) p.epochMetrics.set('val_loss', epoch);
          }),
        {
          ...{ recordBatchesEvery: record, trackers: [tracker] },
          callbacks: [
            new ModelCheckpoint({
              ...{ directory: mkdtempSync(join(root, 'flow-')), topK: -1, everyBatches: save, env: {} },
              save: (path) => {
                calls.push('save');
                writeFileSync(path, '');
              },
            }),
          ],
        },
      );
      await program.run();
      const expected: string[] = [];
      for (let step = 0; step < 12; step += 1) {
        if ((step + 1) % record === 0) expected.push(`track train_loss=${step % 4}@${step}`);
        if ((step + 1) % save === 0) expected.push('save');
        const epoch = Math.floor(step / 4);
        if (step % 4 === 3 && (epoch + 1) % judge === 0) expected.push(`track val_loss=${epoch}@${epoch}`);
      }
      if (12 % save !== 0) expected.push('save');
      expect(calls.filter((call) => /^(track|save)/.test(call))).toEqual(expected);
    },
  );
});

describe('an end that a callback wants', () => {
  const stopIn = (hook: Hook, stops: 'stop' | 'stopEpoch'): Act => {
    let isDone = false;
    return (called, context) => {
      if (called === hook && !isDone) context[stops]('wanted');
      isDone ||= called === hook;
    };
  };
  const BATCHES = ['onBatchStart 0', 'onBatchEnd 0', 'onBatchStart 1', 'onBatchEnd 1'];
  const SECOND = ['onEpochStart 1', ...BATCHES, 'onEpochEnd 1'];

  it.each<[Hook, string[]]>([
    ['onRunStart', ['onRunStart', 'onRunEnd']],
    ['onEpochStart', ['onRunStart', 'onEpochStart 0', 'onEpochEnd 0', 'onRunEnd']],
    [
      'onBatchStart',
      ['onRunStart', 'onEpochStart 0', 'onBatchStart 0', 'onBatchEnd 0', 'onEpochEnd 0', 'onRunEnd'],
    ],
    [
      'onBatchEnd',
      ['onRunStart', 'onEpochStart 0', 'onBatchStart 0', 'onBatchEnd 0', 'onEpochEnd 0', 'onRunEnd'],
    ],
    ['onEpochEnd', ['onRunStart', 'onEpochStart 0', ...BATCHES, 'onEpochEnd 0', 'onRunEnd']],
  ])('of the run, said in %s, still tells all ends', async (hook, expected) => {
    expect(await told(stopIn(hook, 'stop'))).toEqual({ calls: expected, outcome: 'stopped' });
  });

  it.each<[Hook, string[]]>([
    ['onEpochStart', ['onEpochStart 0', 'onEpochEnd 0']],
    ['onBatchStart', ['onEpochStart 0', 'onBatchStart 0', 'onBatchEnd 0', 'onEpochEnd 0']],
    ['onBatchEnd', ['onEpochStart 0', 'onBatchStart 0', 'onBatchEnd 0', 'onEpochEnd 0']],
    ['onEpochEnd', ['onEpochStart 0', ...BATCHES, 'onEpochEnd 0']],
  ])('of one epoch, said in %s, ends that one; the next is whole', async (hook, expected) => {
    expect(await told(stopIn(hook, 'stopEpoch'))).toEqual({
      calls: ['onRunStart', ...expected, ...SECOND, 'onRunEnd'],
      outcome: 'completed',
    });
  });

  it('before a batch leaves the part of the program out', async () => {
    const done: number[] = [];
    await told(
      (hook, { level, stopEpoch }) => {
        if (hook === 'onBatchStart' && level.index === 1) stopEpoch('skip the rest');
      },
      (p) =>
        p.epoch(0, async () => {
          for (const b of [0, 1, 2]) await p.batch(b, () => done.push(b));
        }),
    );
    expect(done).toEqual([0]);
  });
});

describe('an error', () => {
  it.each(HOOKS)(
    'in %s of one callback is told once to each, and the run ends with all closed',
    async (hook) => {
      const calls: string[] = [];
      let hasThrown = false;
      const throwing: Act = (called) => {
        if (called !== hook || hasThrown) return;
        hasThrown = true;
        throw new Error(`in ${hook}`);
      };
      const body = (p: Program) =>
        hook === 'onException' ? Promise.reject(new Error('in the program')) : twoEpochs(p);
      const { tracker, calls: tracked } = recorder();
      const program = new Program(body, {
        ...{ trackers: [tracker], warn: () => {} },
        callbacks: [listener('throws', calls, throwing), listener('other', calls)],
      });
      await expect(program.run()).rejects.toThrow(hook === 'onException' ? 'in the program' : `in ${hook}`);
      for (const name of ['throws', 'other']) {
        const told = calls.filter((call) => call === `${name} onException`);
        expect(told).toHaveLength(hook === 'onRunEnd' ? 0 : 1);
        expect(calls.filter((call) => call === `${name} onRunEnd`)).toHaveLength(1);
      }
      const opened = tracked.filter((call) => call.startsWith('start ')).length;
      expect(tracked.filter((call) => call.startsWith('end '))).toHaveLength(opened);
      expect(tracked.at(-2)).toBe(hook === 'onRunEnd' ? 'end run completed' : 'end run failed');
    },
  );

  it('leaves no second signal of the user behind: the first ends the run, the next the process', async () => {
    const calls: string[] = [];
    const before = process.listenerCount('SIGTERM');
    const program = new Program(
      (p) =>
        p.epoch(0, () => {
          process.emit('SIGTERM', 'SIGTERM');
          expect(process.listenerCount('SIGTERM')).toBe(before);
          return new Promise(() => {});
        }),
      { handleSignals: true, callbacks: [listener('c', calls)] },
    );
    await expect(program.run()).rejects.toThrow('the program got SIGTERM');
    expect(calls.at(-1)).toBe('c onRunEnd');
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});
