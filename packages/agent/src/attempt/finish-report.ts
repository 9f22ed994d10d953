import { resolve } from 'node:path';
import type { AgentClient } from '@trainyard/client';
import type {
  AttemptFiles,
  AttemptSpec,
  ControlAnswer,
  FailurePattern,
  Report,
  ResumePoint,
  RunError,
  StreamName,
} from '@trainyard/protocol';
import { readControlAnswer } from '../control-files.ts';
import type { ExitResult, ProgramFiles } from '../executor.ts';
import { evaluatedCheckpoint, hashed, type ReadCheckpoints, readCheckpoints } from './attempt-checkpoints.ts';
import { failureOf } from './attempt-failure.ts';
import { type AttemptOutcome, judgeOutcome, type Products } from './attempt-outcome.ts';
import { readFailure, readLogTail, readProducts } from './attempt-products.ts';
import type { AttemptJournal, AttemptState } from './attempt-state.ts';
import { applyRetention } from './checkpoint-retention.ts';
import { kernelOomKills } from './oom-evidence.ts';

export type FinishReport = Extract<Report, { kind: 'finished' }>;

const NO_CHECKPOINTS: ReadCheckpoints = { checkpoints: [], error: null };

/** Puts the end of an attempt together from what the agent knows and what the program left in its files. */
export async function composeFinish(options: {
  readonly spec: AttemptSpec;
  readonly journal: Pick<AttemptJournal, 'state' | 'token'>;
  /** `undefined` for an executor without files. */
  readonly files: AttemptFiles | undefined;
  /** Where what the program names is. */
  readonly named: ProgramFiles;
  readonly exit: ExitResult | undefined;
  readonly startError: RunError | null;
  readonly cleanupError: string | undefined;
  /** What the executor knows of it; `undefined`: nothing. */
  readonly ranOutOfMemory: boolean | undefined;
  /** What the log said. */
  readonly pattern: FailurePattern | undefined;
  readonly undeliveredBytes: Partial<Record<StreamName, number>>;
  readonly client: Pick<AgentClient, 'retention'>;
  readonly signal: AbortSignal;
}): Promise<FinishReport> {
  const { spec, journal, files, exit } = options;
  const { token, state } = journal;
  if (files !== undefined) await applyRetention({ ...options, files, token });
  const endedWell = exit?.kind === 'exited' && exit.exitCode === 0;
  const recorded = files === undefined ? NO_CHECKPOINTS : await readCheckpoints(files, options.named);
  let products: Products =
    files !== undefined && endedWell
      ? await readProducts(files, spec, options.named, options.signal)
      : { ok: true, outputs: null, datasets: [] };
  if (endedWell && products.ok && recorded.error !== null) products = { ok: false, error: recorded.error };
  const answer = files === undefined ? undefined : await readControlAnswer(files);
  const outcome = judgeOutcome({
    command: spec.command,
    exit,
    startError: options.startError,
    cancelRequested: state.cancelRequested,
    partitioned: state.partitioned,
    preempted: state.preempted,
    released: hasGivenBack(state, endedWell, answer),
    stalled: state.stalled,
    products,
    failure:
      spec.builtin === undefined || files === undefined || endedWell
        ? null
        : await readFailure(files.failure),
    logTail: files !== undefined && !endedWell ? await readLogTail(files.output) : '',
  });
  // What the kernel of this machine has done says nothing of a program on another one.
  const ranOutOfMemory = options.ranOutOfMemory ?? (options.named.isLocal && hasKernelEndedSome(state));
  const failed = failureOf({ outcome, ranOutOfMemory, pattern: options.pattern });
  const checkpoints = [
    ...(await hashed(recorded.checkpoints, options.named, options.signal)),
    ...(await evaluatedCheckpoint(spec, outcome.outputs, options.named)),
  ];
  const isToGoOn = outcome.outcome === 'released' || goesOn(outcome, exit);
  const point = isToGoOn ? resumePoint(options.named, answer, recorded) : undefined;
  return {
    kind: 'finished',
    attemptId: spec.attemptId,
    epoch: spec.epoch,
    token,
    ...outcome,
    ...failed,
    datasets: [...outcome.datasets],
    ...(point === undefined ? {} : { checkpoint: point }),
    // An older server does not know them.
    ...(checkpoints.length === 0 ? {} : { checkpoints }),
    at: exit?.kind === 'exited' ? Math.max(exit.endedAtMs, state.startedAtMs ?? 0) : Date.now(),
    cleanupError: options.cleanupError?.slice(0, MAX_CLEANUP_ERROR) ?? null,
    undeliveredBytes: options.undeliveredBytes,
  };
}

/** The program has ended to give its slot back, or was ended because it did not in time. */
export function hasGivenBack(
  { releaseKilled }: Pick<AttemptState, 'releaseKilled'>,
  endedWell: boolean,
  answer: ControlAnswer | undefined,
): boolean {
  return releaseKilled || (endedWell && answer?.word === 'release');
}

/** Of all processes of the machine, while the program ran: with its own end by KILL that is evidence enough. */
function hasKernelEndedSome({ oomKillsBefore }: AttemptState): boolean {
  return oomKillsBefore !== null && (kernelOomKills() ?? 0) > oomKillsBefore;
}

/**
 * Where its time or its nodes were taken from it, and the files that it saved are where the next attempt finds them.
 * An agent that leaves its machine is none of these: the next attempt is most likely on another one.
 */
function goesOn({ error }: AttemptOutcome, exit: ExitResult | undefined): boolean {
  return exit?.kind === 'vanished' && exit.error === error && TAKEN_AWAY.has(error.code);
}

const TAKEN_AWAY: ReadonlySet<string> = new Set(['time_limit', 'preempted', 'node_failed']);

/** The checkpoint that the next attempt goes on from: the one that it named, else the last that it recorded. */
function resumePoint(
  named: ProgramFiles,
  answer: ControlAnswer | undefined,
  { checkpoints }: ReadCheckpoints,
): ResumePoint | undefined {
  if (answer?.word === 'release' && answer.checkpoint !== undefined) {
    const { checkpoint, step } = answer;
    return { path: resolve(named.workingDir, checkpoint), ...(step === undefined ? {} : { step }) };
  }
  const saved = checkpoints.filter(({ action }) => action === 'saved').at(-1);
  if (saved === undefined) return undefined;
  const { path, step = undefined } = saved;
  return { path: resolve(named.workingDir, path), ...(typeof step === 'number' ? { step } : {}) };
}

/** The same end without what the program wrote, for a server that refuses the report as it is. */
export function withoutProducts(report: FinishReport, why: string): FinishReport {
  const message = `the server refused the report of the end: ${why}`.slice(0, MAX_REFUSAL);
  const error = report.error ?? { code: 'report_refused', message };
  const outcome = report.outcome === 'completed' ? 'failed' : report.outcome;
  return { ...report, outcome, error, outputs: null, datasets: [], checkpoints: [] };
}

const MAX_CLEANUP_ERROR = 10_000;
const MAX_REFUSAL = 2000;
