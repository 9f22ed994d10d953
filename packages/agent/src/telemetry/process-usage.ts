import { readFile } from 'node:fs/promises';
import { isLinux } from '../local/process-identity.ts';
import { listProcesses } from '../local/process-table.ts';

/** What the processes of one attempt use together. */
export interface ProcessUsage {
  readonly processes: number;
  /** Seconds of processor time since they started, with those of children that have ended. */
  readonly cpuSeconds: number;
  /** Resident memory; what processes share counts for each. */
  readonly memoryBytes: number;
}

/** Whose processes: they carry the marker of the attempt, or are in the session of its program. */
export interface FollowedProgram {
  readonly attemptId: string;
  readonly pid: number | undefined;
}

/** Ticks per second of the times in /proc; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/** Usage by attempt id, from one look at all processes. Empty where the system has no /proc. */
export async function readProcessUsage(
  programs: readonly FollowedProgram[],
): Promise<ReadonlyMap<string, ProcessUsage>> {
  const usage = new Map<string, ProcessUsage>();
  if (programs.length === 0 || !isLinux) return usage;
  const ids = new Set(programs.map(({ attemptId }) => attemptId));
  const bySession = new Map(
    programs.flatMap(({ pid, attemptId }) => (pid === undefined ? [] : [[pid, attemptId]])),
  );
  for (const { pid, sessionId, attemptId } of await listProcesses()) {
    const id = attemptId !== undefined && ids.has(attemptId) ? attemptId : bySession.get(sessionId);
    if (id === undefined) continue;
    const own = parseUsage(await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => ''));
    if (own === undefined) continue;
    const sum = usage.get(id) ?? { processes: 0, cpuSeconds: 0, memoryBytes: 0 };
    usage.set(id, {
      processes: sum.processes + 1,
      cpuSeconds: sum.cpuSeconds + own.cpuSeconds,
      memoryBytes: sum.memoryBytes + own.memoryBytes,
    });
  }
  return usage;
}

/** Of a line of /proc/PID/stat; undefined when the process is gone. */
export function parseUsage(line: string): Pick<ProcessUsage, 'cpuSeconds' | 'memoryBytes'> | undefined {
  // The name in parentheses may hold anything, spaces and parentheses too.
  const cells = line.slice(line.lastIndexOf(')') + 2).split(' ');
  if (cells.length < 22) return undefined;
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(cells[at]), 0);
  return { cpuSeconds: ticks / TICKS_PER_SECOND, memoryBytes: Number(cells[21]) * PAGE_BYTES };
}
