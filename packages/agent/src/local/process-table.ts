import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  isLinux,
  type ProcessRow,
  PS_ENV,
  parseProcStat,
  parsePsLine,
  readProcess,
} from './process-identity.ts';

/** Variable in the environment of every process of a job, by which escaped ones are found. */
export const ATTEMPT_MARKER = 'TRAINYARD_ATTEMPT_ID';

export interface ListedProcess extends ProcessRow {
  /** Value of the marker in its environment at exec; `undefined` when absent or not readable. */
  readonly attemptId: string | undefined;
}

/**
 * All live processes of the machine; zombies are left out. Calls that wait share one scan, so that many
 * jobs that end at once cost few scans; a scan always begins after the call.
 *
 * @param startedFrom start time (as in `ProcessRow`) from which on markers are of interest: environments of
 *   older processes are not read, which is most of the work
 */
export function listProcesses(startedFrom = '0'): Promise<readonly ListedProcess[]> {
  const from = Number(startedFrom);
  nextFrom = next === undefined ? from : Math.min(nextFrom, from);
  next ??= (running ?? Promise.resolve())
    .catch(() => undefined)
    .then(() => {
      running = next;
      next = undefined;
      return isLinux ? scanProc(nextFrom) : scanByPs();
    });
  return next;
}

let running: Promise<unknown> | undefined;
let next: Promise<readonly ListedProcess[]> | undefined;
let nextFrom = 0;
const execFileAsync = promisify(execFile);
/** Files of /proc are read at once, without a thread: that is faster, but must not hold up everything. */
const READ_AT_ONCE = 64;

async function scanProc(startedFrom: number): Promise<readonly ListedProcess[]> {
  const found: ListedProcess[] = [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  for (const [index, pid] of pids.entries()) {
    if (index % READ_AT_ONCE === READ_AT_ONCE - 1) await setImmediate();
    const row = parseProcStat(readProcFile(`/proc/${pid}/stat`));
    if (row === undefined || row.state === 'Z' || row.state === 'X') continue;
    const isOlder = Number(row.startTime) < startedFrom;
    const attemptId = isOlder ? undefined : readMarker(readProcFile(`/proc/${pid}/environ`), '\0');
    found.push({ ...row, attemptId });
  }
  return found;
}

/** Content of a file of /proc; "" when the process is gone or not ours. */
function readProcFile(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

async function scanByPs(): Promise<readonly ListedProcess[]> {
  // "E" appends the environment to the command, for processes of the same user.
  const { stdout } = await execFileAsync('ps', ['-axEww', '-o', 'pid=,pgid=,stat=,lstart=,command='], {
    env: PS_ENV,
    maxBuffer: 256 * 1024 * 1024,
  });
  const found: ListedProcess[] = [];
  for (const line of stdout.split('\n')) {
    const row = parsePsLine(line);
    if (row !== undefined && row.state !== 'Z') found.push({ ...row, attemptId: readMarker(line, ' ') });
  }
  return found;
}

function readMarker(environment: string, separator: string): string | undefined {
  const key = `${ATTEMPT_MARKER}=`;
  const text = separator + environment;
  const start = text.indexOf(separator + key);
  if (start < 0) return undefined;
  const value = text.slice(start + separator.length + key.length);
  const end = value.indexOf(separator);
  return end < 0 ? value.trim() : value.slice(0, end);
}

/** Sends a signal to exactly this process; false when it is gone or its pid belongs to another now. */
export function signalProcess(row: ProcessRow, signal: NodeJS.Signals): boolean {
  if (readProcess(row.pid)?.startTime !== row.startTime) return false;
  try {
    process.kill(row.pid, signal);
    return true;
  } catch {
    return false;
  }
}
