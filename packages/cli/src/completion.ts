import tab from '@bomb.sh/tab/commander';
import { TrainyardError } from '@trainyard/protocol';
import type { Command } from 'commander';
import { examples } from './command-parts.ts';

/**
 * Makes `trainyard completion SHELL` print the shell's script, and `trainyard complete -- …`, which that
 * script calls, answer with what may come next.
 */
export function addCompletion(program: Command): void {
  // The command of this name in the program is there for the help; the library brings its own.
  const commands = program.commands as Command[];
  const index = commands.findIndex((command) => command.name() === 'completion');
  if (index !== -1) commands.splice(index, 1);
  tab(program, { completionCommandName: 'completion' });
  const own = program.commands.find((command) => command.name() === 'completion')!;
  own
    .description('print the script that makes a shell complete commands and options')
    .addHelpText(
      'after',
      examples('source <(trainyard completion bash)', 'trainyard completion fish | source'),
    )
    .hook('preAction', (command) => {
      if (command.optsWithGlobals<{ json?: boolean }>().json !== true) return;
      throw new TrainyardError('USAGE', 'completion prints a script for a shell; leave --json out.');
    });
}
