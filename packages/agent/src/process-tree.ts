import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, type ProcessIdentity, readBootId, readProcess } from './process-identity.ts';
import { type ListedProcess, listProcesses, signalProcess } from './process-table.ts';

/** The processes of one attempt: the session of the program and whatever carries the attempt's marker. */
export interface ProcessTree {
  readonly attemptId: string;
  /** The program; leader of its session. `undefined` when it never got so far. */
  readonly program: ProcessIdentity | undefined;
}

/**
 * Ends the program with its group: TERM, then up to `graceMs` for the whole session to end, then KILL.
 * Does not look for processes that left the session; `sweep` does.
 */
export async function endSession(tree: ProcessTree, graceMs: number): Promise<void> {
  const { program } = tree;
  if (program === undefined || program.bootId !== readBootId()) return;
  if (graceMs > 0 && signalGroup(program, 'SIGTERM')) {
    // A stopped process acts on TERM only after it goes on.
    signalGroup(program, 'SIGCONT');
    await waitForSessionEnd(tree, performance.now() + graceMs);
  }
  signalGroup(program, 'SIGKILL');
}

/**
 * Kills every process that is left of the attempt and returns once two listings in a row show none: one
 * listing can miss a child whose parent ended while the list was read.
 * @returns what could not be ended, for the attempt's `cleanupError`, or `undefined`
 */
export async function sweep(tree: ProcessTree): Promise<string | undefined> {
  if (tree.program !== undefined && tree.program.bootId !== readBootId()) return undefined;
  const deadline = performance.now() + SWEEP_DEADLINE_MS;
  let emptyInARow = 0;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const left = await remaining(tree);
    emptyInARow = left.length === 0 ? emptyInARow + 1 : 0;
    if (emptyInARow === 2) return undefined;
    if (left.length === 0) continue;
    if (performance.now() > deadline) {
      const list = left.map(({ pid, state }) => `${pid} (state ${state})`).join(', ');
      return `still alive ${SWEEP_DEADLINE_MS / 1000} s after KILL: ${list}`;
    }
    for (const row of left) signalProcess(row, 'SIGKILL');
    await delay(pauseMs);
  }
}

const SWEEP_DEADLINE_MS = 10_000;

/** Live processes of the attempt. This process is never one of them. */
async function remaining(tree: ProcessTree): Promise<readonly ListedProcess[]> {
  const { program } = tree;
  // When another process has the leader's pid now, the session id does not tell anything any more.
  const sessionId = program !== undefined && !isPidReused(program) ? program.pid : undefined;
  return (await listProcesses(program?.startTime)).filter(
    (row) =>
      row.pid !== process.pid &&
      (row.attemptId === tree.attemptId || row.sessionId === sessionId || row.groupId === sessionId),
  );
}

async function waitForSessionEnd(tree: ProcessTree, deadlineMs: number): Promise<void> {
  const { program } = tree;
  let pauseMs = 5;
  while (performance.now() < deadlineMs) {
    // The listing is the dear part: done only once the program itself has gone.
    if (program !== undefined && !isAlive(program) && !(await hasSessionMembers(program))) return;
    await delay(Math.min(pauseMs, Math.max(1, deadlineMs - performance.now())));
    pauseMs = Math.min(pauseMs * 2, 100);
  }
}

async function hasSessionMembers(program: ProcessIdentity): Promise<boolean> {
  if (isPidReused(program)) return false;
  return (await listProcesses(program.startTime)).some(
    (row) => row.sessionId === program.pid || row.groupId === program.pid,
  );
}

function signalGroup(program: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (isPidReused(program)) return false;
  try {
    process.kill(-program.pid, signal);
    return true;
  } catch {
    return false;
  }
}

function isPidReused(program: ProcessIdentity): boolean {
  const row = readProcess(program.pid);
  return row !== undefined && row.startTime !== program.startTime;
}
