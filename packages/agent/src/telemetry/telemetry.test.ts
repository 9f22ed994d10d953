import { spawn } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseMetricLine } from '@trainyard/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.ts';
import { fakeNvidiaSmi } from '../testing/fake-nvidia-smi.ts';
import { silentLog } from '../testing/silent-log.ts';
import { parseDiskStats, parseNetworkDevices } from './machine-reader.ts';
import { localMachine } from './machine-source.ts';
import { parseUsage } from './process-usage.ts';
import { Telemetry } from './telemetry.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-telemetry-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function keysOf(file: string): Promise<Record<string, number>[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.flatMap((line) => {
    const read = parseMetricLine(line);
    if (!read.ok) return [];
    return [
      { step: read.line.step, ...Object.fromEntries(read.line.values.map(({ key, value }) => [key, value])) },
    ];
  });
}

describe('telemetry', () => {
  it('looks at a new attempt at once and again after a second, not when its turn comes', async () => {
    const telemetry = new Telemetry({
      source: localMachine(dir, process.env),
      everyMs: 600_000,
      log: silentLog,
    });
    const stopped = new AbortController();
    const running = telemetry.run(stopped.signal);
    await eventually('the first look at the machine', () => telemetry.latest);
    const file = join(dir, 'system.jsonl');
    const own = { attemptId: 'att_new', pid: () => undefined, gpuIds: [], startedAtMs: Date.now() - 5000 };
    telemetry.follow({ ...own, file });
    await eventually('two rows', async () => (await keysOf(file).catch(() => [])).length === 2);
    stopped.abort();
    await running;
  });

  it('writes what the processes of an attempt use, and of the GPUs only its own', async () => {
    const env = await fakeNvidiaSmi(
      dir,
      'echo "0, GPU-a, 11, 1, 2, 3, 4, A"; echo "1, GPU-b, 22, 1, 2, [N/A], 4, B"',
    );
    const job = spawn('sh', ['-c', 'while :; do :; done'], {
      env: { ...process.env, TRAINYARD_ATTEMPT_ID: 'att_busy' },
      stdio: 'ignore',
    });
    try {
      const telemetry = new Telemetry({ source: localMachine(dir, env), everyMs: 10_000, log: silentLog });
      const file = join(dir, 'system.jsonl');
      const stop = telemetry.follow({
        attemptId: 'att_busy',
        pid: () => undefined,
        file,
        gpuIds: ['GPU-b'],
        startedAtMs: Date.now() - 5000,
      });
      await telemetry.look();
      const rows = await eventually('the job uses the processor', async () => {
        await telemetry.look();
        const found = await keysOf(file);
        return (found.at(-1)?.['system/process/cpu_percent'] ?? 0) > 0 ? found : undefined;
      });
      expect(rows[0]).toMatchObject({
        step: 5,
        'system/process/count': 1,
        'system/gpu/1/utilization_percent': 22,
      });
      expect(rows[0]!['system/process/memory_bytes']).toBeGreaterThan(100_000);
      expect(rows[0]!['system/memory/used_percent']).toBeGreaterThan(0);
      expect(rows[0]).not.toHaveProperty('system/gpu/0/utilization_percent');
      expect(rows[0]).not.toHaveProperty('system/gpu/1/power_watts');
      expect(rows.map(({ step }) => step)).toEqual([...new Set(rows.map(({ step }) => step))]);
      expect(telemetry.latest?.gpus).toHaveLength(2);
      stop();
      const before = await readFile(file, 'utf8');
      await telemetry.look();
      expect(await readFile(file, 'utf8')).toBe(before);
    } finally {
      job.kill('SIGKILL');
    }
  });

  it('goes on in a new line where an agent was killed in the middle of one', async () => {
    const file = join(dir, 'system.jsonl');
    await appendFile(file, '{"step": 1, "system/cpu/utilization_percent": 5}\n{"step": 2, "sys');
    const telemetry = new Telemetry({
      source: localMachine(dir, { PATH: dir }),
      everyMs: 10_000,
      log: silentLog,
    });
    telemetry.follow({
      attemptId: 'att_none',
      pid: () => undefined,
      file,
      gpuIds: undefined,
      startedAtMs: Date.now() - 20_000,
    });
    await telemetry.look();
    expect((await keysOf(file)).map(({ step }) => step)).toEqual([1, 20]);
  });

  it('reads counters of whole disks, of real networks and of processes with odd names', () => {
    const disks = [
      '   8       0 sda 10 0 100 5 20 0 200 6 0 0 0',
      '   8       1 sda1 10 0 100 5 20 0 200 6 0 0 0',
      ' 259       0 nvme0n1 1 0 8 5 2 0 16 6 0 0 0',
      '   7       0 loop0 1 0 1000 5 2 0 1000 6 0 0 0',
    ].join('\n');
    expect(parseDiskStats(disks)).toEqual([108 * 512, 216 * 512]);
    const network =
      'Inter-| Receive\n face |bytes\n    lo: 99 0 0 0 0 0 0 0 99 0\n  eth0: 7 0 0 0 0 0 0 0 9 0\n';
    expect(parseNetworkDevices(network)).toEqual([7, 9]);
    const stat = `12 (a) b (c) S ${Array.from({ length: 49 }, (_, at) => at + 4).join(' ')}`;
    expect(parseUsage(stat)).toEqual({ cpuSeconds: (14 + 15 + 16 + 17) / 100, memoryBytes: 24 * 4096 });
    expect(parseUsage('')).toBeUndefined();
  });
});
