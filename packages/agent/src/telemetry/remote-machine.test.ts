import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeNvidiaSmi } from '../testing/fake-nvidia-smi.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import { type CallResult, TransportError } from '../transport/transport.ts';
import { parseRemoteLook } from './remote-look.ts';
import { RemoteMachine } from './remote-machine.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-remote-machine-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function machineWith(nvidiaSmi: string, timeoutMs?: number): Promise<RemoteMachine> {
  const env = await fakeNvidiaSmi(dir, nvidiaSmi);
  const transport = new LocalTransport({ env: { ...process.env, ...env } });
  return new RemoteMachine({ transport, dir, timeoutMs });
}

describe('a host that is looked at', () => {
  it('gives rates from the second look on, and every GPU with nulls for odd values', async () => {
    const machine = await machineWith('echo "0, GPU-a, [N/A], 10, 100, 20, ERR!, A, B"; echo nonsense');
    const first = await machine.look([]);
    expect(first?.machine.cpu).toBeNull();
    expect(first?.machine.memoryTotalBytes).toBeGreaterThan(first!.machine.memoryUsedBytes);
    expect(first?.machine.diskTotalBytes).toBeGreaterThan(0);
    expect(first?.gpus).toMatchObject([
      { index: 0, name: 'A, B', utilization: null, powerWatts: 20, temperatureCelsius: null },
    ]);
    const end = performance.now() + 10;
    while (performance.now() < end);
    expect((await machine.look([]))?.machine.cpu).toEqual(expect.any(Number));
  });

  it('asks for less when the driver refuses a field', async () => {
    const machine = await machineWith('case "$1" in *power.draw*) exit 2;; esac; echo "0, GPU-a, A"');
    expect((await machine.look([]))?.gpus).toMatchObject([{ uuid: 'GPU-a', name: 'A', utilization: null }]);
  });

  it('goes on without its driver when that hangs', async () => {
    const machine = await machineWith(`echo call >> ${dir}/calls; exec sleep 60`, 1500);
    expect(await machine.look([])).toBeUndefined();
    for (let time = 0; time < 2; time += 1) expect(await machine.look([])).toMatchObject({ gpus: [] });
    expect(await readFile(join(dir, 'calls'), 'utf8')).toBe('call\n');
  });

  it('is left alone for a while after three calls that failed', async () => {
    let calls = 0;
    let nowMs = 0;
    const machine = new RemoteMachine({
      dir,
      now: () => nowMs,
      transport: {
        name: 'away',
        run: async (): Promise<CallResult> => {
          calls += 1;
          throw new TransportError('unreachable', 'away');
        },
        close: async () => undefined,
      },
    });
    for (let time = 0; time < 5; time += 1) expect(await machine.look([])).toBeUndefined();
    expect(calls).toBe(3);
    nowMs = 61_000;
    await machine.look([]);
    expect(calls).toBe(4);
  });

  it('that prints something else tells nothing', () => {
    for (const text of ['', 'motd', '\x1euptime\nx\n', '\x1euptime\n5 5\n\x1ememory\n']) {
      expect(parseRemoteLook(text, [])).toBeUndefined();
    }
  });
});
