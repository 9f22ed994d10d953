import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Program } from '../../testing/program.ts';
import { findBottlenecks } from './bottlenecks.ts';
import { Machine } from './machine.ts';
import {
  type ResourcesSummary,
  type ResourcesTrackerOptions,
  resourcesTracker,
} from './resources-tracker.ts';
import type { GpuSample, Sample } from './sample.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-resources-'));
afterAll(() => rmSync(root, { recursive: true }));

const sample = (values: Partial<Sample>, gpu?: Partial<GpuSample>): Sample => ({
  ...{ time_ms: 0, gpus: gpu === undefined ? [] : [{ index: 0, ...gpu }] },
  ...values,
});
const times = (count: number, one: Sample) => Array.from({ length: count }, () => one);

/** Two epochs, each as long as so many samples take; of the values that a machine tells in this order, the last on and on. */
async function measured(
  told: readonly Sample[],
  { perEpoch = 8, ...options }: ResourcesTrackerOptions & { readonly perEpoch?: number } = {},
) {
  const directory = mkdtempSync(join(root, 'run-'));
  const warnings: string[] = [];
  let taken = 0;
  const machine = {
    sample: async () => {
      taken += 1;
      return told[Math.min(taken, told.length) - 1]!;
    },
  };
  const program = new Program(
    async (p) => {
      for (const n of [0, 1]) {
        await p.epoch(n, async () => {
          const enough = taken + perEpoch;
          while (taken < enough) await delay(1);
        });
      }
    },
    {
      trackers: [resourcesTracker({ directory, intervalMs: 2, machine, ...options })],
      warn: (message) => warnings.push(message),
    },
  );
  await program.run();
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  return {
    warnings,
    samples: read('samples.jsonl')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Sample),
    summary: () => JSON.parse(read('summary.json')) as ResourcesSummary,
  };
}

describe('what holds a training up', () => {
  it('is not said before there are ten samples', () => {
    expect(findBottlenecks(times(9, sample({ cpu_percent: 100 })))).toEqual([]);
    expect(findBottlenecks(times(10, sample({ cpu_percent: 100 })))).toMatchObject([
      { resource: 'cpu', score: 1, severity: 'critical' },
    ]);
  });

  it('is what is above 90 % (a GPU 95 %) in half of the samples, critical above 95 %, the worst first', () => {
    const busy = times(6, sample({ cpu_percent: 90, memory_percent: 96 }, { utilization_percent: 95 }));
    const idle = times(4, sample({ cpu_percent: 89.9, memory_percent: 96 }, { utilization_percent: 94 }));
    expect(findBottlenecks([...busy, ...idle])).toMatchObject([
      {
        resource: 'memory',
        score: 1,
        severity: 'critical',
        advice: expect.stringContaining('smaller batches'),
      },
      { resource: 'cpu', score: 0.6, severity: 'busy' },
      { resource: 'gpu', score: 0.6, severity: 'busy' },
    ]);
    expect(findBottlenecks([...busy.slice(0, 4), ...idle, ...idle])).toMatchObject([{ resource: 'memory' }]);
  });

  it('is data when the GPU waits while the processors are busy', () => {
    const waiting = sample({ cpu_percent: 93 }, { utilization_percent: 5, memory_percent: 97 });
    expect(
      findBottlenecks(times(10, waiting))
        .map(({ resource }) => resource)
        .sort(),
    ).toEqual(['cpu', 'data', 'gpu_memory']);
  });
});

describe('the tracker of resources', () => {
  it('writes samples while the run goes on, and a summary of the run and of each epoch', async () => {
    const busy = sample({ cpu_percent: 97, memory_percent: 50 });
    const { samples, summary, warnings } = await measured([busy]);
    expect(warnings).toEqual([]);
    const { run, epochs, alerts, bottlenecks } = summary();
    expect(run).toMatchObject({ level: 'run', mean: { cpu_percent: 97 }, max: { memory_percent: 50 } });
    expect(run.samples).toBe(samples.length);
    expect(epochs.map(({ index }) => index)).toEqual([0, 1]);
    expect(epochs.every((epoch) => epoch.samples >= 1 && epoch.seconds > 0)).toBe(true);
    expect(alerts).toEqual({ cpu: { busy: 0, critical: samples.length } });
    expect(bottlenecks).toMatchObject([{ resource: 'cpu', severity: 'critical' }]);
  });

  it('has a sample of an epoch that is shorter than the interval, and analyses the newest only', async () => {
    const busyFirst = [...times(3, sample({ cpu_percent: 100 })), sample({ cpu_percent: 10 })];
    const short = await measured(busyFirst, { intervalMs: 60_000, perEpoch: 0 });
    expect(short.summary().epochs.map((epoch) => epoch.samples)).toEqual([1, 1]);
    const long = await measured(busyFirst, { maxSamples: 10 });
    expect(long.samples.length).toBeGreaterThan(13);
    expect(long.summary().bottlenecks).toEqual([]);
  });

  it('is told of when the machine cannot be read, and ends no training', async () => {
    const warnings: string[] = [];
    const machine = { sample: () => Promise.reject(new Error('no /proc')) };
    const program = new Program((p) => p.epoch(0, () => undefined), {
      trackers: [resourcesTracker({ directory: mkdtempSync(join(root, 'run-')), machine })],
      warn: (message) => warnings.push(message),
    });
    expect(await program.run()).toMatchObject({ status: 'completed' });
    expect(warnings).toEqual(['The tracker "resources" has failed: no /proc.']);
    expect(() => resourcesTracker({ intervalMs: 0 })).toThrow('intervalMs is a number above 0');
  });
});

it('a machine tells of its processors and memory, and of its disks and network where that is wanted', async () => {
  const light = new Machine({ nvidiaSmi: '/nowhere/nvidia-smi' });
  // Linux counts the time of processors in ticks: what it says needs one to have gone by.
  const isKnown = ({ cpu_percent }: Sample) => cpu_percent !== undefined || process.platform !== 'linux';
  const told = await vi.waitUntil(
    async () => {
      const sample = await light.sample();
      return isKnown(sample) && sample;
    },
    { interval: 1 },
  );
  expect(told.gpus).toEqual([]);
  expect(told.program_memory_mb).toBeGreaterThan(10);
  expect(told).not.toHaveProperty('load');
  if (process.platform !== 'linux') return;
  expect(told.memory_percent).toBeGreaterThan(0);
  expect(told.cpu_percent).toBeGreaterThanOrEqual(0);
  const full = await new Machine({ isLightweight: false, nvidiaSmi: '/nowhere/nvidia-smi' }).sample();
  expect(full).toMatchObject({ load: expect.any(Number), processes: expect.any(Number) });
  expect(full.disk_read_mb_per_second).toBeGreaterThanOrEqual(0);
});
