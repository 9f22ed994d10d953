import type { AttemptFiles, AttemptSpec } from '@trainyard/protocol';
import type { AttemptJournal } from '../attempt/attempt-state.ts';
import type { Executor, RunningAttempt } from '../executor.ts';
import type { Telemetry } from './telemetry.ts';

/**
 * Records what a program uses until the function that is returned is called. Nothing is known of programs on a
 * machine other than the one that telemetry looks at.
 */
export function followProgram(
  running: RunningAttempt,
  attempt: {
    readonly telemetry: Telemetry;
    readonly executor: Executor | undefined;
    readonly spec: AttemptSpec;
    readonly files: AttemptFiles;
    readonly journal: AttemptJournal;
    /** GPUs of the agent in all; 0: jobs may use any. */
    readonly gpus: number;
  },
): () => void {
  const { executor, files, gpus, journal, spec, telemetry } = attempt;
  const isElsewhere = running.target?.address !== telemetry.address;
  if (executor?.usesAttemptDir !== true || isElsewhere) return () => undefined;
  return telemetry.follow({
    attemptId: spec.attemptId,
    pid: () => running.pid,
    file: files.system,
    gpuIds: gpus > 0 ? journal.state.gpuIds : undefined,
    startedAtMs: journal.state.startedAtMs ?? Date.now(),
  });
}
