import { expect, it } from 'vitest';
import { Program } from '../testing/program.ts';
import { recorder } from '../testing/recorder.ts';
import { LearningRateMonitor, type LearningRateMonitorOptions } from './learning-rate-monitor.ts';

async function tracked(every: LearningRateMonitorOptions['every'], byGroup = false) {
  let rate = 1;
  const { calls, tracker } = recorder();
  const body = async (p: Program) => {
    for (let n = 3; n < 5; n += 1) {
      await p.epoch(n, async () => {
        for (let m = 0; m < 2; m += 1) await p.batch(m, () => {});
        rate /= 2;
      });
    }
  };
  const monitor = new LearningRateMonitor({
    rate: () => (byGroup ? { head: rate, body: 0 } : rate),
    ...(every !== undefined && { every }),
  });
  await new Program(body, { callbacks: [monitor], trackers: [tracker] }).run();
  return calls.filter((call) => call.startsWith('track'));
}

it('records the rate that each epoch begins with, with its number', async () => {
  expect(await tracked(undefined)).toEqual(['track learning_rate=1@3', 'track learning_rate=0.5@4']);
});

it('records the rate of each batch if it is to', async () => {
  expect(await tracked('batch')).toEqual([
    ...['track learning_rate=1@0', 'track learning_rate=1@1'],
    ...['track learning_rate=0.5@0', 'track learning_rate=0.5@1'],
  ]);
});

it('records the rates of several groups by their names', async () => {
  expect((await tracked('epoch', true))[0]).toBe('track learning_rate=0.5{"head":1,"body":0}@3');
});

it('refuses to record at anything else', () => {
  const every = 'run' as 'epoch';
  expect(() => new LearningRateMonitor({ rate: () => 1, every })).toThrow('every is "epoch" or "batch"');
});
