import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
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
 */
export function listProcesses(): Promise<readonly ListedProcess[]> {
  if (running === undefined) {
    running = scan().finally(() => {
      running = undefined;
    });
    return running;
  }
  next ??= running
    .catch(() => undefined)
    .then(() => {
      next = undefined;
      return listProcesses();
    });
  return next;
}

let running: Promise<readonly ListedProcess[]> | undefined;
let next: Promise<readonly ListedProcess[]> | undefined;
const execFileAsync = promisify(execFile);

function scan(): Promise<readonly ListedProcess[]> {
  return isLinux ? scanProc() : scanByPs();
}

async function scanProc(): Promise<readonly ListedProcess[]> {
  const found: ListedProcess[] = [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
      const row = parseProcStat(stat);
      if (row === undefined || row.state === 'Z' || row.state === 'X') return;
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      found.push({ ...row, attemptId: readMarker(environment, '\0') });
    }),
  );
  return found;
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
