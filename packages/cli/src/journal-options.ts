import type { AgentOptions } from '@trainyard/agent';
import type { Command } from 'commander';
import { byteSize } from './option-values.ts';

/** Options of the commands that run an agent: how much of what jobs write is kept and sent. */
export interface JournalOptions {
  readonly logLimit?: number;
  readonly bufferLimit?: number;
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
    );
}

export function journalLimits({
  logLimit,
  bufferLimit,
}: JournalOptions): NonNullable<AgentOptions['limits']> {
  return {
    ...(logLimit === undefined ? {} : { logBytesPerAttempt: logLimit }),
    ...(bufferLimit === undefined
      ? {}
      : { waitingBytesInAll: bufferLimit, waitingBytesPerStream: Math.ceil(bufferLimit / STREAMS_SHARING) }),
  };
}

/** One stream gets at most this part of the buffer: a noisy job must not use up what others need. */
const STREAMS_SHARING = 8;
