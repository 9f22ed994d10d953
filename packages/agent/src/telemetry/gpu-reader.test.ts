import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeNvidiaSmi } from '../testing/fake-nvidia-smi.ts';
import { detectGpuIds, GpuReader } from './gpu-reader.ts';

const ROWS = `echo "0, GPU-aaaa, 50, 10, 100, 20, 30, A"; echo "1, GPU-bbbb, 60, 10, 100, 20, 30, B"`;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-gpu-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the reader of GPUs (scenario 44)', () => {
  it('reads them, once for calls at the same time', async () => {
    const env = await fakeNvidiaSmi(dir, `echo call >> ${dir}/calls; ${ROWS}`);
    const reader = new GpuReader({ env });
    const [first, second] = await Promise.all([reader.read(), reader.read()]);
    expect(first?.map(({ uuid, utilization }) => [uuid, utilization])).toEqual([
      ['GPU-aaaa', 50],
      ['GPU-bbbb', 60],
    ]);
    expect(second).toBe(first);
    expect(await readFile(join(dir, 'calls'), 'utf8')).toBe('call\n');
  });

  it('knows nothing when there is no driver, or one that fails or prints nonsense', async () => {
    expect(await new GpuReader({ env: { PATH: dir } }).read()).toBeUndefined();
    const failing = await fakeNvidiaSmi(dir, 'echo "Unable to determine the device handle" >&2; exit 9');
    expect(await new GpuReader({ env: failing }).read()).toBeUndefined();
    const nonsense = await fakeNvidiaSmi(dir, 'head -c 2000 /dev/urandom');
    expect(await new GpuReader({ env: nonsense }).read()).toEqual([]);
  });

  it('gives a driver up that hangs, and leaves it alone for a while after three times', async () => {
    const env = await fakeNvidiaSmi(dir, `echo call >> ${dir}/calls; exec sleep 60`);
    let nowMs = 0;
    const reader = new GpuReader({ env, timeoutMs: 100, now: () => nowMs });
    const calls = async () => (await readFile(join(dir, 'calls'), 'utf8')).length / 5;
    for (let time = 0; time < 5; time += 1) expect(await reader.read()).toBeUndefined();
    // Each of the three asked twice: for all fields, then for those that every driver knows.
    expect(await calls()).toBe(6);
    nowMs = 61_000;
    expect(await reader.read()).toBeUndefined();
    expect(await calls()).toBe(8);
    nowMs = 100_000;
    expect(await reader.read()).toBeUndefined();
    expect(await calls()).toBe(8);
  });

  it('asks for less when the driver refuses a field', async () => {
    const env = await fakeNvidiaSmi(
      dir,
      `case "$1" in *power.draw*) echo "Field \\"power.draw\\" is not a valid field to query."; exit 2;; esac
      echo "0, GPU-aaaa, A"`,
    );
    const reader = new GpuReader({ env });
    expect(await reader.read()).toMatchObject([{ uuid: 'GPU-aaaa', name: 'A', utilization: null }]);
    expect(await reader.read()).toMatchObject([{ uuid: 'GPU-aaaa' }]);
  });

  it('names GPUs by their UUIDs, only those that the agent itself may use', async () => {
    const env = await fakeNvidiaSmi(dir, ROWS);
    expect(await detectGpuIds(env)).toEqual(['GPU-aaaa', 'GPU-bbbb']);
    expect(await detectGpuIds({ ...env, CUDA_VISIBLE_DEVICES: '1' })).toEqual(['GPU-bbbb']);
    expect(await detectGpuIds({ ...env, CUDA_VISIBLE_DEVICES: 'GPU-aa,7' })).toEqual(['GPU-aaaa']);
    expect(await detectGpuIds({ ...env, CUDA_VISIBLE_DEVICES: '' })).toEqual([]);
    expect(await detectGpuIds({ PATH: dir })).toEqual([]);
  });
});
