import type { AttemptFiles } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import type { Executor, RunningAttempt } from '../executor.ts';
import { usersOfGpus } from '../local/gpu-users.ts';
import type { OutOfService } from '../local/out-of-service.ts';
import { readIdentityFile } from '../local/process-identity.ts';
import { messageOf } from '../message-of.ts';
import type { Reservation } from '../slots.ts';
import type { AttemptJournal } from './attempt-state.ts';

export interface EndedAttempt {
  readonly attemptId: string;
  readonly executor: Executor | undefined;
  readonly running: RunningAttempt;
  readonly files: AttemptFiles;
  readonly journal: AttemptJournal;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where an attempt's slot goes when processes of it stay. */
export interface Afterwards {
  readonly log: AgentLog;
  readonly outOfService: OutOfService;
  /** Nothing of it is left: no agent has to look at it any more, unless it is still to be reported. */
  readonly onGone: () => Promise<void>;
}

/**
 * Ends what is left of an attempt whose program has ended. Where something cannot be ended, what the attempt occupied
 * is kept out of service until that is gone (`isKept`), and the attempt goes on to its report without it.
 */
export async function endLeft(
  attempt: EndedAttempt & Afterwards,
  reservation: Reservation | undefined,
): Promise<{ readonly error: string | undefined; readonly isKept: boolean }> {
  const error = await whatIsLeft(attempt);
  if (error === undefined) return { error, isKept: false };
  attempt.log.error({ attemptId: attempt.attemptId, error }, 'a job left processes');
  // What is left on another machine takes no place on this one.
  if (reservation === undefined || attempt.executor?.isLocal !== true) return { error, isKept: false };
  await keepOutOfService(attempt, error, reservation);
  return { error, isKept: true };
}

/** Also over a restart of the agent. */
export async function keepOutOfService(
  attempt: EndedAttempt & Omit<Afterwards, 'log'>,
  reason: string,
  reservation: Reservation,
): Promise<void> {
  const { attemptId, journal, outOfService, onGone } = attempt;
  await journal.update({ left: reason });
  outOfService.keep({
    ...{ attemptId, reason, reservation },
    look: () => whatIsLeft(attempt),
    onFree: async () => {
      await journal.update({ left: null });
      await onGone();
    },
  });
}

/** After an attempt to end it. In words; `undefined`: nothing. */
async function whatIsLeft({
  running,
  executor,
  files,
  journal,
  env,
}: EndedAttempt): Promise<string | undefined> {
  const left = await running.cleanUp().catch(messageOf);
  if (left !== undefined || executor?.isLocal !== true) return left;
  return usersOfGpus({ gpuIds: journal.state.gpuIds, program: readIdentityFile(files.pid), env });
}
