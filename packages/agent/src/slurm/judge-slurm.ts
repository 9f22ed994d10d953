import type { ExitResult } from '../executor.ts';
import type { RemoteState } from '../remote/poll-answer.ts';
import { isOver, type SlurmRow } from './slurm-rows.ts';

/** What is known of an attempt that was handed to Slurm. */
export interface SlurmFacts {
  readonly state: Pick<RemoteState, 'lock' | 'exit' | 'hostTime'>;
  /** `undefined` when Slurm does not know the job (any more). */
  readonly row: SlurmRow | undefined;
  /** Slurm has shown it before. */
  readonly wasSeen: boolean;
  /** For how long Slurm, with answers all the time, has shown no job that goes on. 0: it shows one, or has not answered. */
  readonly overForMs: number;
  /** The program was told to end, and not by us: before its time limit, or by someone's scancel. */
  readonly wasTold: boolean;
  /** We have cancelled it. */
  readonly isCancelled: boolean;
  readonly nowMs: number;
  /** How long what a node wrote may take to be seen here. */
  readonly settleMs: number;
}

/** From the first answer without the job: it may have been purged, or not be listed yet. */
export const ABSENT_FACTOR = 4;

/**
 * How an attempt ended; `undefined` while it goes on or its end may still be written. Only the exit file gives an
 * exit code: what Slurm says only tells why there is none, and whether a program that was told to end was at the
 * end of its time. Pure.
 */
export function judgeSlurm(facts: SlurmFacts): ExitResult | undefined {
  const { state, row, overForMs, settleMs, isCancelled } = facts;
  if (state.exit !== undefined) {
    if (!facts.wasTold || isCancelled) return exited(facts);
    return judgeTold(facts);
  }
  if (state.lock === 'prevented')
    return vanished('cancelled_before_start', 'it was cancelled before it started');
  if (row === undefined) return overForMs < settleMs * ABSENT_FACTOR ? undefined : withoutJob(facts);
  if (!isOver(row) || overForMs < settleMs) return undefined;
  return withoutExit(row, state.lock === 'yes');
}

/** The program ended after it was told to: Slurm says why it was. */
function judgeTold(facts: SlurmFacts): ExitResult | undefined {
  const { row, overForMs, settleMs } = facts;
  if (row === undefined) return overForMs < settleMs ? undefined : TIME_LIMIT;
  if (!isOver(row)) return undefined;
  // Someone's scancel: it ended as by a kill on the machine.
  if (row.state === 'CANCELLED') return exited(facts);
  return lossOf(row) ?? TIME_LIMIT;
}

function withoutJob({ state, wasSeen }: SlurmFacts): ExitResult {
  // It forgets at once a task of an array that is cancelled while it waits.
  if (state.lock === 'no' && wasSeen) {
    return vanished(
      'slurm_cancelled',
      'the job has gone from Slurm before it began: someone has cancelled it',
    );
  }
  if (state.lock === 'no') return vanished('start_lost', 'Slurm does not know the job: it never got it');
  const message = 'Slurm does not know the job any more, and it has left no exit code';
  return vanished('process_vanished', message);
}

function withoutExit(row: SlurmRow, hasBegun: boolean): ExitResult {
  const loss = lossOf(row);
  if (loss !== undefined) return loss;
  const said = `job ${row.jobId} is ${row.state} (${row.reason})`;
  if (row.state === 'CANCELLED') {
    return vanished('slurm_cancelled', `someone has cancelled the job in Slurm: ${said}`);
  }
  if (row.state === 'OUT_OF_MEMORY') {
    return vanished('out_of_memory', `it used more memory than Slurm gave it: ${said}`);
  }
  if (!hasBegun)
    return vanished('slurm_launch_failed', `Slurm could not start the program: ${said}; see slurm.out`);
  const message = `the program has left no exit code: its supervisor was killed, or the nodes do not share the directory of the attempt; ${said}`;
  return vanished('process_vanished', message);
}

/** Ends that say nothing of the program: another attempt follows. */
function lossOf({ state, jobId, nodes, reason }: SlurmRow): ExitResult | undefined {
  switch (state) {
    case 'TIMEOUT':
    case 'DEADLINE':
      return TIME_LIMIT;
    case 'PREEMPTED':
      return vanished('preempted', `Slurm has taken the nodes of job ${jobId} for another one`);
    case 'NODE_FAIL':
    case 'BOOT_FAIL':
      return vanished('node_failed', `Slurm lost the node ${nodes} of job ${jobId} (${reason})`);
    default:
      return undefined;
  }
}

/** The clock of the host may be wrong, so only its differences count. */
function exited({ state: { exit, hostTime }, nowMs }: SlurmFacts): ExitResult {
  const { exitCode, endedAt } = exit!;
  return { kind: 'exited', exitCode, endedAtMs: nowMs - Math.max(0, hostTime - endedAt) * 1000 };
}

function vanished(code: string, message: string): ExitResult {
  return { kind: 'vanished', error: { code, message } };
}

const TIME_LIMIT = vanished(
  'time_limit',
  'its time in Slurm was up; another attempt goes on from the last checkpoint',
);
