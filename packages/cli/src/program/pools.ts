import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { SetPoolOptions } from '../commands/pools.ts';
import { wholeNumber } from '../options/option-values.ts';

/** `trainyard pools …` */
export function addPoolsCommands(program: Command, act: Act): void {
  const pools = program
    .command('pools')
    .description('capacities that the jobs of all runs share, such as licences')
    .addHelpText('after', examples('trainyard pools set licence --slots 2', 'trainyard pools list'));
  pools
    .command('set')
    .description('make a pool, or change it')
    .argument('<name>', 'name of the pool, as stages name it')
    .requiredOption(
      '--slots <n>',
      'how much of it there is; 0 lets nothing new start',
      wholeNumber('slots', 0, 1_000_000),
    )
    .option('--description <text>', 'what it stands for')
    .addHelpText(
      'after',
      examples(
        'trainyard pools set licence --slots 2 --description "seats of the simulator"',
        'trainyard pools set licence --slots 0',
      ),
    )
    .action(
      act<SetPoolOptions>(async (context, options, [name]) =>
        (await import('../commands/pools.ts')).setPoolCommand(context, name!, options),
      ),
    );
  pools
    .command('list')
    .description('all pools and how much of them is in use')
    .addHelpText('after', examples('trainyard pools list --json'))
    .action(act(async (context) => (await import('../commands/pools.ts')).listPoolsCommand(context)));
  pools
    .command('show')
    .description('who holds the slots of a pool, and who waits for them')
    .argument('<name>', 'name of the pool')
    .addHelpText('after', examples('trainyard pools show licence'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/pools.ts')).showPoolCommand(context, name!),
      ),
    );
  pools
    .command('delete')
    .description('delete a pool; stages that need it wait until there is one of this name again')
    .argument('<name>', 'name of the pool')
    .addHelpText('after', examples('trainyard pools delete licence'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/pools.ts')).deletePoolCommand(context, name!),
      ),
    );
}
