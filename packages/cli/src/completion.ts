import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

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
}
