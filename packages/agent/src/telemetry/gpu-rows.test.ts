import { describe, expect, it } from 'vitest';
import { parseGpuRows } from './gpu-rows.ts';

describe('rows of nvidia-smi', () => {
  it('are read with units, and a name that holds commas', () => {
    const text =
      '0, GPU-3f2a, 97, 40536, 81920, 301.52, 61, NVIDIA A100, 80GB\n1, GPU-77c1, 0, 3, 81920, 52, 30, X\n';
    expect(parseGpuRows(text)).toEqual([
      {
        index: 0,
        uuid: 'GPU-3f2a',
        name: 'NVIDIA A100, 80GB',
        utilization: 97,
        memoryUsedBytes: 40536 * 1024 * 1024,
        memoryTotalBytes: 81920 * 1024 * 1024,
        powerWatts: 301.52,
        temperatureCelsius: 61,
      },
      expect.objectContaining({ index: 1, uuid: 'GPU-77c1', utilization: 0, powerWatts: 52 }),
    ]);
  });

  it('have no value where the driver tells none (scenario 44)', () => {
    for (const odd of [
      '[N/A]',
      '[Not Supported]',
      '[Unknown Error]',
      '[GPU is lost]',
      '[GPU requires reset]',
      'ERR!',
      '',
    ]) {
      const [row] = parseGpuRows(`2, ${odd}, ${odd}, ${odd}, ${odd}, ${odd}, ${odd}, ${odd}`);
      expect(row, odd).toEqual({
        index: 2,
        uuid: null,
        name: null,
        utilization: null,
        memoryUsedBytes: null,
        memoryTotalBytes: null,
        powerWatts: null,
        temperatureCelsius: null,
      });
    }
  });

  it('are left out when they are none', () => {
    const text =
      'No devices were found\n\n0, GPU-1, 5\nFailed to initialize NVML: Driver/library version mismatch\n';
    expect(parseGpuRows(text)).toEqual([]);
    expect(parseGpuRows('x, GPU-1, 1, 1, 1, 1, 1, name')).toEqual([]);
  });

  it('may be of fewer fields', () => {
    expect(parseGpuRows('0, GPU-1, A, B', ['index', 'uuid', 'name'])).toMatchObject([
      { index: 0, uuid: 'GPU-1', name: 'A, B', utilization: null },
    ]);
  });
});
