import type { Command } from 'commander';
import type { CliContext } from './cli-context.ts';

/** Starts a command's work; its exit code goes to `settle`. Modules are loaded here, one per command. */
export type Act = <O>(
  work: (context: CliContext, options: O, args: readonly string[]) => Promise<number>,
) => (this: Command) => Promise<void>;

/** The end of a command's help. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

/** Of every command that waits for the end of a run. */
export interface WaitForApproval {
  readonly waitForApproval?: boolean;
}
export const WAIT_FOR_APPROVAL = [
  '--wait-for-approval',
  'wait on when only a person can go on; else that is exit code 12 where stderr is no terminal',
] as const;
