import { readFile, statfs } from 'node:fs/promises';
import { cpus, freemem, totalmem } from 'node:os';

/** How busy a machine is. Rates are of the time since the sample before; what the system does not tell is null. */
export interface MachineSample {
  /** Percent of all cores together. */
  readonly cpu: number | null;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  /** Of the file system that attempts write to. */
  readonly diskUsedBytes: number | null;
  readonly diskTotalBytes: number | null;
  readonly diskReadPerSecond: number | null;
  readonly diskWrittenPerSecond: number | null;
  readonly networkReceivedPerSecond: number | null;
  readonly networkSentPerSecond: number | null;
}

/** What a machine counts from its start on. */
export interface MachineCounters {
  /** By any clock that only goes forward. */
  readonly atMs: number;
  /** Processor time, in any unit. */
  readonly busy: number;
  readonly total: number;
  readonly disk: readonly [number, number] | undefined;
  readonly network: readonly [number, number] | undefined;
}

/** Looks at counters of the operating system. */
export class MachineReader {
  readonly #dir: string;
  #before: MachineCounters | undefined;

  /** @param dir a directory on the file system that is of interest */
  constructor(dir: string) {
    this.#dir = dir;
  }

  async read(): Promise<MachineSample> {
    const now = await readCounters();
    const before = this.#before;
    this.#before = now;
    const [memory, disk] = await Promise.all([readMemory(), statfs(this.#dir).catch(() => undefined)]);
    return {
      ...machineRates(now, before),
      ...memory,
      diskUsedBytes: disk === undefined ? null : (disk.blocks - disk.bfree) * disk.bsize,
      diskTotalBytes: disk === undefined ? null : disk.blocks * disk.bsize,
    };
  }
}

/** What follows from counters and those of the look before. Pure. */
export function machineRates(
  now: MachineCounters,
  before: MachineCounters | undefined,
): Omit<MachineSample, 'memoryUsedBytes' | 'memoryTotalBytes' | 'diskUsedBytes' | 'diskTotalBytes'> {
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1000;
  const rate = (which: 'disk' | 'network', at: 0 | 1): number | null => {
    const [last, first] = [now[which]?.[at], before?.[which]?.[at]];
    return last === undefined || first === undefined || seconds <= 0
      ? null
      : Math.max(0, last - first) / seconds;
  };
  const total = before === undefined ? 0 : now.total - before.total;
  return {
    cpu: total > 0 ? clampPercent((100 * (now.busy - before!.busy)) / total) : null,
    diskReadPerSecond: rate('disk', 0),
    diskWrittenPerSecond: rate('disk', 1),
    networkReceivedPerSecond: rate('network', 0),
    networkSentPerSecond: rate('network', 1),
  };
}

async function readCounters(): Promise<MachineCounters> {
  let [busy, total] = [0, 0];
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busy += used;
    total += used + times.idle;
  }
  const [disk, network] = await Promise.all([readTable('/proc/diskstats'), readTable('/proc/net/dev')]);
  return {
    ...{ atMs: performance.now(), busy, total },
    disk: disk === undefined ? undefined : parseDiskStats(disk),
    network: network === undefined ? undefined : parseNetworkDevices(network),
  };
}

async function readTable(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

async function readMemory(): Promise<Pick<MachineSample, 'memoryUsedBytes' | 'memoryTotalBytes'>> {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec((await readTable('/proc/meminfo')) ?? '')?.[1];
  const free = available === undefined ? freemem() : Number(available) * 1024;
  return { memoryUsedBytes: totalmem() - free, memoryTotalBytes: totalmem() };
}

/** Devices that are whole disks: what they count, their partitions and the layers above count again. */
const WHOLE_DISK = /^(sd[a-z]+|vd[a-z]+|xvd[a-z]+|hd[a-z]+|nvme\d+n\d+|mmcblk\d+)$/;
const SECTOR_BYTES = 512;

/** @returns bytes read and written since the start of the machine */
export function parseDiskStats(text: string): [number, number] {
  let [read, written] = [0, 0];
  for (const line of text.split('\n')) {
    const cells = line.trim().split(/\s+/);
    if (!WHOLE_DISK.test(cells[2] ?? '')) continue;
    read += Number(cells[5] ?? 0) * SECTOR_BYTES;
    written += Number(cells[9] ?? 0) * SECTOR_BYTES;
  }
  return [read, written];
}

/** @returns bytes received and sent since the start of the machine, without those to itself */
export function parseNetworkDevices(text: string): [number, number] {
  let [received, sent] = [0, 0];
  for (const line of text.split('\n')) {
    const [name, rest] = line.split(':');
    if (rest === undefined || name!.trim() === 'lo') continue;
    const cells = rest.trim().split(/\s+/);
    received += Number(cells[0] ?? 0);
    sent += Number(cells[8] ?? 0);
  }
  return [received, sent];
}

function clampPercent(value: number): number {
  return Math.min(100, Math.max(0, value));
}
