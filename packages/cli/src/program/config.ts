import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';

/** `trainyard config` */
export function addConfigCommand(program: Command, act: Act): void {
  program
    .command('config')
    .description('what the server was configured with: log patterns, and how long logs are kept')
    .addHelpText('after', examples('trainyard config', 'trainyard config --json'))
    .action(act(async (context) => (await import('../commands/config.ts')).configCommand(context)));
}
