import { type StartContext, StartError } from '../executor.ts';
import { SUPERVISOR_SCRIPT } from '../local/supervisor-script.ts';
import { exportLines, shellQuote } from '../transport/shell-quote.ts';

/** What a start brings to a host; all of it may be secret. */
export interface LaunchPayload {
  /** Sh that exports the environment and sets the words of the command. */
  readonly program: string;
  /** JSON. */
  readonly params: string;
  /** What `program` consists of: the environment, and sh that sets the words. */
  readonly env: Readonly<Record<string, string>>;
  readonly words: string;
}

/** @throws StartError when a word of it cannot be handed to a program */
export function launchPayload(
  { spec }: Pick<StartContext, 'spec'>,
  env: Readonly<Record<string, string>>,
): LaunchPayload {
  const command = typeof spec.command === 'string' ? ['sh', '-c', spec.command] : spec.command;
  try {
    const words = `set -- ${command.map(shellQuote).join(' ')}\n`;
    return { program: `${exportLines(env)}${words}`, params: JSON.stringify(spec.params), env, words };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new StartError('start_failed', `the program could not be started: ${error.message}`, {
      cause: error,
    });
  }
}

/** Sh that sets what the launch scripts write to files. */
export function fileLines({ params }: LaunchPayload): string {
  return [
    `trainyard_params=${shellQuote(params)}\n`,
    `trainyard_supervisor=${shellQuote(SUPERVISOR_SCRIPT)}\n`,
  ].join('');
}

/** Last line of what is sent to a launch script, so that it does not take a part for the whole. */
export const COMPLETE_LINE = 'trainyard_complete=yes';
