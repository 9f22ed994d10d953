import { GpuReader } from './gpu-reader.ts';
import type { GpuSample } from './gpu-rows.ts';
import { MachineReader, type MachineSample } from './machine-reader.ts';
import { type FollowedProgram, type ProcessUsage, readProcessUsage } from './process-usage.ts';

/** A machine at one moment. */
export interface MachineLook {
  readonly machine: MachineSample;
  readonly gpus: readonly GpuSample[];
  /** What the programs use that were asked for, by attempt id. */
  readonly usage: ReadonlyMap<string, ProcessUsage>;
}

/** Where telemetry comes from: this machine, or one on which jobs run over SSH. */
export interface MachineSource {
  /** Of another machine, as its attempts give it in their target. */
  readonly address: string | undefined;
  /** One look, which serves all programs; `undefined` when nothing is known at this moment. */
  look(programs: readonly FollowedProgram[]): Promise<MachineLook | undefined>;
}

/** @param dir a directory on the file system that is of interest; the PATH of `env` has `nvidia-smi` */
export function localMachine(dir: string, env: Readonly<Record<string, string | undefined>>): MachineSource {
  const machine = new MachineReader(dir);
  const gpus = new GpuReader({ env });
  return {
    address: undefined,
    async look(programs) {
      const looks = [machine.read(), gpus.read(), readProcessUsage(programs)] as const;
      const [now, cards, usage] = await Promise.all(looks);
      return { machine: now, gpus: cards ?? [], usage };
    },
  };
}
