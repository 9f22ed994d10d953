import { describe, expect, it } from 'vitest';
import { recorder } from '../testing/recorder.ts';
import type { MetricRecord, Tracker } from './tracker.ts';
import { TrackerFanOut } from './tracker-fan-out.ts';

const LIMITS = { maxWaiting: 3, callMs: 20, closeMs: 50 };
const record = (step: number): MetricRecord => ({
  name: 'train_loss',
  value: 1,
  step,
  epoch: step,
  batch: null,
  of: 'epoch',
  timeMs: 0,
});

async function trackWith(broken: Tracker, values: number) {
  const warnings: string[] = [];
  const { calls, tracker } = recorder();
  const fanOut = new TrackerFanOut([broken, tracker], (message) => warnings.push(message), LIMITS);
  for (let step = 0; step < values; step += 1) fanOut.track([record(step)]);
  const told = calls.length;
  await fanOut.close();
  return { warnings, calls, told };
}

describe('one tracker that is broken', () => {
  it('by throwing is told of a few times; the others get everything', async () => {
    const throws = () => {
      throw new Error('disk full');
    };
    const { warnings, calls } = await trackWith({ name: 'bad', track: throws }, 5);
    expect(calls).toHaveLength(6);
    expect(warnings).toEqual([
      ...Array.from({ length: 3 }, () => 'The tracker "bad" has failed: disk full.'),
      'The tracker "bad" has failed 5 times.',
    ]);
  });

  it('by never answering holds up nobody, has a bounded queue, and is told of', async () => {
    const { warnings, calls, told } = await trackWith(
      { name: 'hangs', track: () => new Promise(() => {}) },
      10,
    );
    expect(told).toBe(10);
    expect(calls).toHaveLength(11);
    expect(warnings[0]).toBe('The tracker "hangs" is too slow; values are left out of it.');
    expect(warnings).toContain('The tracker "hangs" has not answered for 20 ms.');
    expect(warnings.at(-1)).toBe('The tracker "hangs" lacks 6 values: it was too slow.');
  });

  it('by rejecting late is told of, and gets the next call', async () => {
    const seen: number[] = [];
    const late: Tracker = {
      name: 'late',
      async track([first]) {
        await Promise.resolve();
        seen.push(first!.step);
        throw new Error('gone');
      },
    };
    const { warnings } = await trackWith(late, 3);
    expect(seen).toEqual([0, 1, 2]);
    expect(warnings).toHaveLength(3);
  });
});
