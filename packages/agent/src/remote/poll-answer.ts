/** How an attempt stands on its host, as its files and processes tell. */
export interface RemoteState {
  /** `prevented`: a cancel came before the start, and nothing will start any more. */
  readonly lock: 'no' | 'yes' | 'prevented';
  readonly program: Standing;
  readonly pid: number | undefined;
  readonly supervisor: Standing;
  /** Boot of the host in which the attempt was started. */
  readonly bootId: string | undefined;
  readonly hostBootId: string;
  /** Clock of the host, in seconds. */
  readonly hostTime: number;
  readonly exit: { readonly exitCode: number; readonly endedAt: number } | undefined;
  /** It was ended over there, since no agent was heard of. */
  readonly isUnwatched: boolean;
  /** Processes of its cgroup that the kernel has ended for lack of memory; `undefined` where nobody counts. */
  readonly oomKills: number | undefined;
}

export type Standing = 'none' | 'alive' | 'dead';

/** Bytes of one file from `offset` on. */
export interface FilePiece {
  readonly name: string;
  readonly identity: string;
  readonly size: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface PollAnswer {
  readonly state: RemoteState;
  /** Without those that do not exist. */
  readonly pieces: readonly FilePiece[];
}

/**
 * Reads what the poll script prints. Nothing of an answer counts unless all of it fits: a file that was truncated
 * while it was read gives fewer bytes than were announced, and the whole is asked for again.
 * @throws Error when it does not fit
 */
export function parsePollAnswer(output: Buffer): PollAnswer {
  let at = 0;
  const line = () => {
    const end = output.indexOf(10, at);
    if (end < 0) throw new Error('the answer of a host ends early');
    const text = output.toString('utf8', at, end);
    at = end + 1;
    return text;
  };
  const state = parseState(line(), line(), line(), line());
  const pieces: FilePiece[] = [];
  while (at < output.length) {
    const match = FILE_LINE.exec(line());
    if (match === null) throw new Error('the answer of a host cannot be read');
    const [, name = '', identity = '', size, offset, length] = match;
    if (identity === 'none') continue;
    const end = at + Number(length);
    if (output[end] !== 10) throw new Error('a file changed while it was read');
    const bytes = output.subarray(at, end);
    at = end + 1;
    pieces.push({ name, identity, size: Number(size), offset: Number(offset), bytes });
  }
  return { state, pieces };
}

const FILE_LINE = /^file (\S+) (\S+) (\d+) (\d+) (\d+)$/;
const UNWATCHED_LINE = /^unwatched (yes|no)$/;
const OOM_LINE = /^oom (\d+|none)$/;
const STATE_LINE = /^state (no|yes|prevented) (none|alive|dead) (\d+) (none|alive|dead) (\S+) (\S+) (\d+)$/;

function parseState(
  stateLine: string,
  unwatchedLine: string,
  exitLine: string,
  oomLine: string,
): RemoteState {
  const match = STATE_LINE.exec(stateLine);
  const oom = OOM_LINE.exec(oomLine);
  const unwatched = UNWATCHED_LINE.exec(unwatchedLine);
  if (match === null || unwatched === null || oom === null || !exitLine.startsWith('exit '))
    throw new Error('the state of a host cannot be read');
  const [, lock, program, pid, supervisor, bootId, hostBootId = '', time] = match;
  return {
    lock: lock as RemoteState['lock'],
    program: program as Standing,
    pid: pid === '0' ? undefined : Number(pid),
    supervisor: supervisor as Standing,
    bootId: bootId === 'none' ? undefined : bootId,
    hostBootId,
    hostTime: Number(time),
    exit: parseExit(exitLine.slice('exit '.length)),
    isUnwatched: unwatched[1] === 'yes',
    oomKills: oom[1] === 'none' ? undefined : Number(oom[1]),
  };
}

function parseExit(text: string): RemoteState['exit'] {
  try {
    const parsed = JSON.parse(text) as { exitCode?: unknown; endedAt?: unknown };
    if (typeof parsed.exitCode !== 'number' || typeof parsed.endedAt !== 'number') return undefined;
    return { exitCode: parsed.exitCode, endedAt: parsed.endedAt };
  } catch {
    return undefined;
  }
}
