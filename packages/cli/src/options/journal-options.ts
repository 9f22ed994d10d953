import type { AgentOptions } from '@trainyard/agent';
import type { Command } from 'commander';
import { readDuration } from './duration-option.ts';
import { byteSize, wholeNumber } from './option-values.ts';

/** Options of the commands that run an agent: how much of what jobs write is kept and sent. */
export interface JournalOptions {
  readonly logLimit?: number;
  readonly bufferLimit?: number;
  readonly keepAttemptsFor?: string;
  readonly keepAttempts?: number;
}

export function addJournalOptions(command: Command): Command {
  return command
    .option(
      '--log-limit <size>',
      'output of one attempt that is stored, besides its last lines; default 4G',
      byteSize('log-limit'),
    )
    .option(
      '--buffer-limit <size>',
      'output and metrics of all jobs that may wait on disk while the server is away; default 8G',
      byteSize('buffer-limit'),
    )
    .option(
      '--keep-attempts-for <duration>',
      'attempt directories that ended longer ago are removed, unless something recorded lies there; default 30d',
    )
    .option(
      '--keep-attempts <n>',
      'the same for those above this number, the oldest first; default 10000',
      wholeNumber('keep-attempts', 0),
    );
}

export function journalLimits({
  logLimit,
  bufferLimit,
  keepAttemptsFor,
  keepAttempts,
}: JournalOptions): NonNullable<AgentOptions['limits']> {
  return {
    ...(logLimit === undefined ? {} : { logBytesPerAttempt: logLimit }),
    ...(keepAttemptsFor === undefined
      ? {}
      : { attemptAgeMs: readDuration('keep-attempts-for', keepAttemptsFor) }),
    ...(keepAttempts === undefined ? {} : { attemptCount: keepAttempts }),
    ...(bufferLimit === undefined
      ? {}
      : { waitingBytesInAll: bufferLimit, waitingBytesPerStream: Math.ceil(bufferLimit / STREAMS_SHARING) }),
  };
}

/** One stream gets at most this part of the buffer: a noisy job must not use up what others need. */
const STREAMS_SHARING = 8;
