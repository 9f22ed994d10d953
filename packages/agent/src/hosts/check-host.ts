import { PROBE_SCRIPT } from '../remote/remote-scripts.ts';
import type { Transport } from '../transport/transport.ts';

export interface HostGpu {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  /** `null` where nvidia-smi gives no number. */
  readonly memoryMib: number | null;
  readonly usedMib: number | null;
  readonly utilization: number | null;
}

export interface HostReport {
  /** Time of one call over the open connection. */
  readonly roundTripMs: number;
  /** Absolute path of the host's working directory, which exists now. */
  readonly workingDir: string;
  readonly gpus: readonly HostGpu[];
  readonly cores: number | null;
  readonly freeMib: number | null;
  readonly hasConda: boolean;
}

/**
 * Logs in, makes the working directory and looks what the host has.
 * @throws TransportError when it cannot be reached, Error with the host's words when it cannot be used
 */
export async function checkHost(transport: Transport, workingDir: string): Promise<HostReport> {
  const timeoutMs = 60_000;
  const probe = await transport.run({ script: PROBE_SCRIPT, args: [workingDir], timeoutMs });
  if (probe.exitCode !== 0) throw new Error(probe.stderr.trim());
  const base = probe.stdout.toString('utf8').trim();
  const before = performance.now();
  await transport.run({ script: ':', timeoutMs });
  const roundTripMs = Math.round(performance.now() - before);
  const { stdout } = await transport.run({ script: LOOK_SCRIPT, args: [base], timeoutMs });
  return { roundTripMs, workingDir: base, ...parseLook(stdout.toString('utf8')) };
}

/** nvidia-smi hangs when a driver is broken: the host is usable all the same. */
const LOOK_SCRIPT = `
echo "cores $(nproc 2>/dev/null)"
echo "free $(df -Pm "$1" | awk 'NR == 2 { print $4 }')"
command -v conda > /dev/null 2>&1 && echo conda
limit=
command -v timeout > /dev/null 2>&1 && limit='timeout -s KILL 10'
command -v nvidia-smi > /dev/null 2>&1 && $limit nvidia-smi \\
  --query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu --format=csv,noheader,nounits | sed 's/^/gpu /'
:
`;

/** Reads what the script above prints; lines that do not fit are left out. */
export function parseLook(text: string): Omit<HostReport, 'roundTripMs' | 'workingDir'> {
  const lines = text.split('\n');
  const value = (name: string) =>
    numberOrNull(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1));
  return {
    cores: value('cores'),
    freeMib: value('free'),
    hasConda: lines.includes('conda'),
    gpus: lines.filter((line) => line.startsWith('gpu ')).flatMap((line) => parseGpu(line.slice(4))),
  };
}

function parseGpu(line: string): HostGpu[] {
  // A name may itself hold commas, the other columns do not.
  const parts = line.split(',').map((part) => part.trim());
  const [index, uuid] = parts;
  if (parts.length < 6 || !/^\d+$/.test(index ?? '') || uuid === undefined) return [];
  const [memory, used, utilization] = parts.slice(-3).map(numberOrNull);
  return [
    {
      index: Number(index),
      uuid,
      name: parts.slice(2, -3).join(', '),
      memoryMib: memory ?? null,
      usedMib: used ?? null,
      utilization: utilization ?? null,
    },
  ];
}

function numberOrNull(text: string | undefined): number | null {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : null;
}
