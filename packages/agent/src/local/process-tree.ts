import { setTimeout as delay } from 'node:timers/promises';
import type { Cgroup } from './cgroup.ts';
import { isAlive, type ProcessIdentity, readBootId, readProcess } from './process-identity.ts';
import { type ListedProcess, listProcesses, signalProcess } from './process-table.ts';

/** The processes of one attempt: the session of the program and whatever carries the attempt's marker. */
export interface ProcessTree {
  readonly attemptId: string;
  /** The program; leader of its session. `undefined` when it never got so far. */
  readonly program: ProcessIdentity | undefined;
  /** Group of the kernel that all its processes are in, where there is one. */
  readonly cgroup?: Cgroup | undefined;
  /** The polite signal. */
  readonly stopSignal?: NodeJS.Signals | undefined;
}

/**
 * Ends the program with its group: the polite signal, then up to `graceMs` for the whole session to end, then KILL,
 * by the cgroup where there is one. Does not look for processes that left both; `sweep` does.
 */
export async function endSession(tree: ProcessTree, graceMs: number): Promise<void> {
  const { program } = tree;
  if (program === undefined || program.bootId !== readBootId()) return;
  if (graceMs > 0 && signalGroup(program, tree.stopSignal ?? 'SIGTERM')) {
    // A stopped process acts on a signal only after it goes on.
    await thawTree(tree);
    await waitForSessionEnd(tree, performance.now() + graceMs);
  }
  await tree.cgroup?.kill().catch(() => false);
  signalGroup(program, 'SIGKILL');
}

/**
 * Stops all processes of the attempt where they are.
 * @throws when some could not be stopped: then nothing is
 */
export async function freezeTree(tree: ProcessTree): Promise<void> {
  if (tree.cgroup !== undefined) {
    await tree.cgroup.freeze();
    return;
  }
  const { program } = tree;
  if (program !== undefined) signalGroup(program, 'SIGSTOP');
  const deadline = performance.now() + FREEZE_DEADLINE_MS;
  for (let stillInARow = 0; stillInARow < 2; ) {
    // One that was being started is found by the next listing.
    const moving = (await remaining(tree)).filter(({ state }) => state !== 'T' && state !== 't');
    stillInARow = moving.length === 0 ? stillInARow + 1 : 0;
    for (const row of moving) signalProcess(row, 'SIGSTOP');
    if (performance.now() < deadline) continue;
    await thawTree(tree);
    throw new Error(`not all processes stood still within ${FREEZE_DEADLINE_MS} ms`);
  }
}

/** Lets what was stopped go on. */
export async function thawTree(tree: ProcessTree): Promise<void> {
  await tree.cgroup?.thaw().catch(() => undefined);
  if (tree.program !== undefined) signalGroup(tree.program, 'SIGCONT');
  for (const row of await remaining(tree)) {
    if (row.state === 'T') signalProcess(row, 'SIGCONT');
  }
}

const FREEZE_DEADLINE_MS = 5000;

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
    const isEmpty = left.length === 0 && (tree.cgroup?.isEmpty() ?? true);
    emptyInARow = isEmpty ? emptyInARow + 1 : 0;
    if (emptyInARow === 2) {
      await tree.cgroup?.remove();
      return undefined;
    }
    if (isEmpty) continue;
    if (performance.now() > deadline) {
      const list =
        left.length === 0
          ? 'processes of its cgroup'
          : left.map(({ pid, state }) => `${pid} (state ${state})`).join(', ');
      return `still alive ${SWEEP_DEADLINE_MS / 1000} s after KILL: ${list}`;
    }
    await tree.cgroup?.kill().catch(() => false);
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
