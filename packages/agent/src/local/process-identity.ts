import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Which process is meant, also after its pid was given to another one: a pid is only ours together with
 * the boot of the machine and the start time of the process.
 */
export interface ProcessIdentity {
  readonly bootId: string;
  readonly pid: number;
  /** Ticks after boot on Linux, elsewhere the start date as `ps` prints it, blanks as "_". */
  readonly startTime: string;
}

/** What /proc or ps says of a process. */
export interface ProcessRow {
  readonly pid: number;
  /** One letter; "Z" is a zombie, which counts as dead. */
  readonly state: string;
  readonly groupId: number;
  readonly sessionId: number;
  readonly startTime: string;
}

/** Id of this boot of the machine. The supervisor script reads it in the same way. */
export function readBootId(): string {
  knownBootId ??= isLinux ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() : bootSession();
  return knownBootId;
}

/** Reads a line `bootId pid startTime`; `undefined` when it is not one. */
export function parseIdentity(line: string): ProcessIdentity | undefined {
  const match = /^(\S+) (\d+) (\S+)\n?$/.exec(line);
  if (match === null) return undefined;
  const pid = Number(match[2]);
  return pid > 1 ? { bootId: match[1]!, pid, startTime: match[3]! } : undefined;
}

export function readIdentityFile(path: string): ProcessIdentity | undefined {
  try {
    return parseIdentity(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** True while exactly this process runs. A zombie is dead, and so is everything of another boot. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== readBootId()) return false;
  const row = readProcess(identity.pid);
  return row !== undefined && row.state !== 'Z' && row.state !== 'X' && row.startTime === identity.startTime;
}

export function identityOf(pid: number): ProcessIdentity | undefined {
  const row = readProcess(pid);
  return row === undefined ? undefined : { bootId: readBootId(), pid, startTime: row.startTime };
}

/** The process with this pid, or `undefined` when there is none. */
export function readProcess(pid: number): ProcessRow | undefined {
  try {
    return isLinux ? parseProcStat(readFileSync(`/proc/${pid}/stat`, 'latin1')) : readByPs(pid);
  } catch {
    return undefined;
  }
}

/** Reads /proc/PID/stat (proc(5)). The name stands in parentheses and may itself hold blanks and parentheses. */
export function parseProcStat(text: string): ProcessRow | undefined {
  const nameEnd = text.lastIndexOf(') ');
  const pid = Number.parseInt(text, 10);
  if (nameEnd < 0 || !Number.isSafeInteger(pid)) return undefined;
  const fields = text.slice(nameEnd + 2).split(' ');
  return {
    pid,
    state: fields[0] ?? '?',
    groupId: Number(fields[2]),
    sessionId: Number(fields[3]),
    startTime: fields[19] ?? '',
  };
}

/** Reads one line of `ps -o pid=,pgid=,stat=,lstart=`. */
export function parsePsLine(line: string): ProcessRow | undefined {
  const [pid, groupId, state, ...started] = line.trim().split(/\s+/);
  if (pid === undefined || groupId === undefined || state === undefined) return undefined;
  // ps of macOS prints no usable session id; the payload leads its group, which serves as well.
  return {
    pid: Number(pid),
    state: state.charAt(0),
    groupId: Number(groupId),
    sessionId: Number(groupId),
    startTime: started.slice(0, 5).join('_'),
  };
}

export const isLinux = process.platform === 'linux';
/** Makes the dates that ps prints comparable between agent and supervisor. */
export const PS_ENV = { ...process.env, TZ: 'UTC', LC_ALL: 'C' };

let knownBootId: string | undefined;

function bootSession(): string {
  try {
    const id = execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim();
    return id === '' ? 'unknown' : id;
  } catch {
    return 'unknown';
  }
}

function readByPs(pid: number): ProcessRow | undefined {
  const arguments_ = ['-o', 'pid=,pgid=,stat=,lstart=', '-p', String(pid)];
  return parsePsLine(execFileSync('ps', arguments_, { encoding: 'utf8', env: PS_ENV }));
}
