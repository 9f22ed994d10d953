import { FEW_FIELDS } from './gpu-reader.ts';
import { GPU_FIELDS, type GpuSample, parseGpuRows } from './gpu-rows.ts';
import {
  type MachineCounters,
  type MachineSample,
  parseDiskStats,
  parseNetworkDevices,
} from './machine-reader.ts';
import type { FollowedProgram, ProcessUsage } from './process-usage.ts';

/** What one look at a host has told. */
export interface RemoteLook {
  readonly counters: MachineCounters;
  readonly memory: Pick<MachineSample, 'memoryUsedBytes' | 'memoryTotalBytes'>;
  readonly disk: Pick<MachineSample, 'diskUsedBytes' | 'diskTotalBytes'>;
  readonly gpus: readonly GpuSample[];
  /** `missing`: there is no nvidia-smi, or it was not asked for. */
  readonly gpuAnswer: 'rows' | 'failed' | 'missing';
  readonly usage: ReadonlyMap<string, ProcessUsage>;
}

/**
 * Prints counters of the system and what programs use, in parts with a mark before each. Arguments: directory;
 * fields for nvidia-smi, and fewer of them for a driver that refuses those, or "" to leave it alone; pids of the
 * programs, which lead sessions; ids of their attempts with "|" between. One look at the processes serves them all.
 */
export const REMOTE_LOOK_SCRIPT = `
part() { printf '\\036%s\\n' "$1"; }
case $1 in
'~') dir=$HOME ;;
'~/'*) dir=$HOME/\${1#'~/'} ;;
*) dir=$1 ;;
esac
part uptime; cat /proc/uptime
part cpu; head -n 1 /proc/stat
part memory; grep -E '^(MemTotal|MemAvailable):' /proc/meminfo
part disk; df -Pk "$dir" 2>/dev/null | tail -n 1
part blocks; cat /proc/diskstats 2>/dev/null
part network; cat /proc/net/dev 2>/dev/null
if [ -n "$5" ]; then
  part units; echo "$(getconf CLK_TCK 2>/dev/null || echo 100) $(getconf PAGESIZE 2>/dev/null || echo 4096)"
  marks=$(grep -azoxHE "TRAINYARD_ATTEMPT_ID=($5)" /proc/[0-9]*/environ 2>/dev/null | tr '\\000' '\\n' |
    sed 's|^/proc/||; s|/environ:TRAINYARD_ATTEMPT_ID=| |')
  part marks; printf '%s\\n' "$marks"
  part processes
  cat /proc/[0-9]*/stat 2>/dev/null |
    awk -v sessions=" $4 " -v marked=" $(printf '%s\\n' "$marks" | sed 's/ .*//' | tr '\\n' ' ') " '
      { pid = $1; sub(/^.*\\) /, "") }
      index(sessions, " " $4 " ") || index(marked, " " pid " ") { print pid, $4, $12 + $13 + $14 + $15, $22 }'
fi
part gpus
if [ -n "$2" ] && command -v nvidia-smi > /dev/null 2>&1; then
  limit=
  command -v timeout > /dev/null 2>&1 && limit='timeout -s KILL 5'
  for fields in "$2" "$3"; do
    if rows=$($limit nvidia-smi --query-gpu="$fields" --format=csv,noheader,nounits 2>/dev/null); then
      part "rows $fields"; printf '%s\\n' "$rows"
      exit 0
    fi
    part failed
  done
fi
:
`;

/** Reads what the script printed; `undefined` when it is no such thing. */
export function parseRemoteLook(text: string, programs: readonly FollowedProgram[]): RemoteLook | undefined {
  const parts = new Map(
    text
      .split('\x1e')
      .slice(1)
      .map((part): [string, string] => {
        const end = part.indexOf('\n');
        return [part.slice(0, end), part.slice(end + 1)];
      }),
  );
  const of = (name: string) => parts.get(name) ?? '';
  const seconds = Number(of('uptime').split(' ')[0]);
  const memory = parseMemory(of('memory'));
  if (!(seconds > 0) || memory === undefined) return undefined;
  return {
    counters: {
      atMs: seconds * 1000,
      ...parseProcessorTime(of('cpu')),
      disk: of('blocks') === '' ? undefined : parseDiskStats(of('blocks')),
      network: of('network') === '' ? undefined : parseNetworkDevices(of('network')),
    },
    memory,
    disk: parseFileSystem(of('disk')),
    ...parseGpus(parts),
    usage: parseUsage(of('units'), of('marks'), of('processes'), programs),
  };
}

function parseMemory(text: string): RemoteLook['memory'] | undefined {
  const kib = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN);
  const [total, available] = [kib('MemTotal'), kib('MemAvailable')];
  if (!(total > 0) || !(available >= 0)) return undefined;
  return { memoryUsedBytes: (total - available) * 1024, memoryTotalBytes: total * 1024 };
}

/** User, nice, system, idle, waiting for input and output, interrupts, soft ones, stolen. */
function parseProcessorTime(text: string): Pick<MachineCounters, 'busy' | 'total'> {
  const ticks = text.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, each) => sum + each, 0);
  return { busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0), total };
}

function parseFileSystem(text: string): RemoteLook['disk'] {
  const match = /\s(\d+)\s+(\d+)\s+-?\d+\s+\d+%\s/.exec(text);
  if (match === null) return { diskUsedBytes: null, diskTotalBytes: null };
  return { diskTotalBytes: Number(match[1]) * 1024, diskUsedBytes: Number(match[2]) * 1024 };
}

function parseGpus(parts: ReadonlyMap<string, string>): Pick<RemoteLook, 'gpus' | 'gpuAnswer'> {
  for (const fields of [GPU_FIELDS, FEW_FIELDS]) {
    const rows = parts.get(`rows ${fields.join(',')}`);
    if (rows !== undefined) return { gpus: parseGpuRows(rows, fields), gpuAnswer: 'rows' };
  }
  return { gpus: [], gpuAnswer: parts.has('failed') ? 'failed' : 'missing' };
}

function parseUsage(
  units: string,
  marks: string,
  processes: string,
  programs: readonly FollowedProgram[],
): RemoteLook['usage'] {
  const [ticksPerSecond = 100, pageBytes = 4096] = units.trim().split(' ').map(Number);
  const byPid = new Map(words(marks).map(([pid, attemptId]) => [pid, attemptId]));
  const bySession = new Map(programs.map(({ pid, attemptId }) => [String(pid), attemptId]));
  const usage = new Map<string, ProcessUsage>();
  for (const [pid, session, ticks, pages] of words(processes)) {
    const id = byPid.get(pid) ?? bySession.get(session ?? '');
    if (id === undefined) continue;
    const sum = usage.get(id) ?? { processes: 0, cpuSeconds: 0, memoryBytes: 0 };
    usage.set(id, {
      processes: sum.processes + 1,
      cpuSeconds: sum.cpuSeconds + Number(ticks) / ticksPerSecond,
      memoryBytes: sum.memoryBytes + Number(pages) * pageBytes,
    });
  }
  return usage;
}

function words(text: string): string[][] {
  return text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim().split(' ')]));
}
