import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { GpuSample, Sample } from './sample.ts';

const MB = 2 ** 20;
const SECTOR_BYTES = 512;
const GPU_MS = 5000;
const GPU_FIELDS = 'index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw';
/** Partitions, and what is made of other disks, would count twice. */
const DISK = /^(sd[a-z]+|vd[a-z]+|xvd[a-z]+|hd[a-z]+|nvme\d+n\d+|mmcblk\d+)$/;

/** What only grows; the difference of two of them is a rate. */
interface Counters {
  readonly atMs: number;
  readonly busy: number;
  readonly ticks: number;
  readonly disk: readonly [read: number, written: number];
  readonly network: readonly [received: number, sent: number];
}

export interface MachineOptions {
  /** Processors, memory and GPUs only, not disks, network, load and number of processes. */
  readonly isLightweight?: boolean;
  /** Where Linux tells of itself; on other systems only what Node knows is told. */
  readonly proc?: string;
  /** Program that tells of GPUs of NVIDIA; it is not asked again where it is not there. */
  readonly nvidiaSmi?: string;
}

/** Reads how busy this machine is. */
export class Machine {
  readonly #isLightweight: boolean;
  readonly #proc: string;
  #nvidiaSmi: string | undefined;
  #before: Counters;

  constructor({ isLightweight = true, proc = '/proc', nvidiaSmi = 'nvidia-smi' }: MachineOptions = {}) {
    this.#isLightweight = isLightweight;
    this.#proc = proc;
    this.#nvidiaSmi = nvidiaSmi;
    this.#before = this.#counters();
  }

  async sample(): Promise<Sample> {
    const [before, now] = [this.#before, this.#counters()];
    this.#before = now;
    const { total, available } = this.#memory();
    const used = total === undefined || available === undefined ? undefined : total - available;
    return {
      time_ms: Date.now(),
      ...known('cpu_percent', percent(now.busy - before.busy, now.ticks - before.ticks)),
      ...known('memory_percent', used === undefined ? undefined : percent(used, total!)),
      ...known('memory_used_mb', used === undefined ? undefined : rounded(used / MB)),
      program_memory_mb: rounded(process.memoryUsage.rss() / MB),
      gpus: await this.#gpus(),
      ...(this.#isLightweight ? {} : this.#rates(before, now)),
    };
  }

  #rates(before: Counters, now: Counters): Partial<Sample> {
    const seconds = Math.max(1e-3, (now.atMs - before.atMs) / 1000);
    const rate = (a: number, b: number) => rounded((b - a) / MB / seconds);
    const load = this.#read('loadavg').split(/\s+/);
    return {
      disk_read_mb_per_second: rate(before.disk[0], now.disk[0]),
      disk_write_mb_per_second: rate(before.disk[1], now.disk[1]),
      network_in_mb_per_second: rate(before.network[0], now.network[0]),
      network_out_mb_per_second: rate(before.network[1], now.network[1]),
      ...(load.length > 3 && { load: Number(load[0]), processes: Number(load[3]!.split('/')[1]) }),
    };
  }

  #counters(): Counters {
    // Fields of the line `cpu` (man 5 proc): the fourth is idle, the fifth waits for disks.
    const fields = this.#read('stat').split('\n', 1)[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
    const ticks = fields.reduce((sum, each) => sum + each, 0);
    const isKnown = fields.length === 8;
    return {
      atMs: performance.now(),
      busy: isKnown ? ticks - fields[3]! - fields[4]! : 0,
      ticks: isKnown ? ticks : 0,
      disk: this.#isLightweight ? [0, 0] : this.#diskBytes(),
      network: this.#isLightweight ? [0, 0] : this.#networkBytes(),
    };
  }

  #memory(): { total: number | undefined; available: number | undefined } {
    const text = this.#read('meminfo');
    const of = (name: string) => {
      const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
      return found === undefined ? undefined : Number(found) * 1024;
    };
    return { total: of('MemTotal'), available: of('MemAvailable') };
  }

  #diskBytes(): [number, number] {
    const disks = this.#read('diskstats')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields.length > 9 && DISK.test(fields[2]!));
    const sectors = (at: number) => disks.reduce((sum, fields) => sum + Number(fields[at]), 0);
    return [sectors(5) * SECTOR_BYTES, sectors(9) * SECTOR_BYTES];
  }

  #networkBytes(): [number, number] {
    const interfaces = this.#read('net/dev')
      .split('\n')
      .map((line) => /^\s*([^:]+):\s*(.+)$/.exec(line))
      .filter((found) => found !== null && found[1] !== 'lo')
      .map((found) => found![2]!.split(/\s+/).map(Number));
    const bytes = (at: number) => interfaces.reduce((sum, fields) => sum + (fields[at] ?? 0), 0);
    return [bytes(0), bytes(8)];
  }

  async #gpus(): Promise<readonly GpuSample[]> {
    if (this.#nvidiaSmi === undefined) return [];
    try {
      const args = [`--query-gpu=${GPU_FIELDS}`, '--format=csv,noheader,nounits'];
      const { stdout } = await promisify(execFile)(this.#nvidiaSmi, args, { timeout: GPU_MS });
      return stdout
        .split('\n')
        .filter((line) => line.split(',').length === 6)
        .map(gpuOf);
    } catch {
      this.#nvidiaSmi = undefined;
      return [];
    }
  }

  /** Empty where it is not Linux. */
  #read(name: string): string {
    try {
      return readFileSync(`${this.#proc}/${name}`, 'utf8');
    } catch {
      return '';
    }
  }
}

/** Fields that a GPU does not know are `[N/A]`. */
function gpuOf(line: string): GpuSample {
  const [index = 0, utilization, used, total, temperature, power] = line
    .split(',')
    .map((field) => (Number.isFinite(Number(field)) && field.trim() !== '' ? Number(field) : undefined));
  return {
    index,
    ...known('utilization_percent', utilization),
    ...known('memory_percent', used === undefined || total === undefined ? undefined : percent(used, total)),
    ...known('memory_used_mb', used),
    ...known('temperature_celsius', temperature),
    ...known('power_watts', power),
  };
}

function known<Name extends string>(
  name: Name,
  value: number | undefined,
): { readonly [N in Name]?: number } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [N in Name]?: number };
}

function percent(part: number, whole: number): number | undefined {
  return whole > 0 ? rounded((100 * part) / whole) : undefined;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
