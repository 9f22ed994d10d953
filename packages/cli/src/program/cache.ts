import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { CacheFilter } from '../commands/cache.ts';
import { wholeNumber } from '../options/option-values.ts';

/** `trainyard cache …` */
export function addCacheCommands(program: Command, act: Act): void {
  const cache = program
    .command('cache')
    .description('results of cached stages that later runs use again')
    .addHelpText('after', examples('trainyard cache list', 'trainyard cache clear --older-than 30d'));
  cache
    .command('list')
    .description('what is in the cache, newest first')
    .option('--pipeline <name>', 'only of this pipeline')
    .option('--stage <path>', 'only of this stage, for example sweep/large')
    .option('--limit <n>', 'at most so many', wholeNumber('limit', 1, 1000), 100)
    .addHelpText('after', examples('trainyard cache list --stage prepare', 'trainyard cache list --json'))
    .action(
      act<CacheFilter & { limit: number }>(async (context, options) =>
        (await import('../commands/cache.ts')).listCacheCommand(context, options),
      ),
    );
  cache
    .command('clear')
    .description('forget results, so that their stages run again; the runs themselves stay')
    .option('--pipeline <name>', 'only of this pipeline')
    .option('--stage <path>', 'only of this stage, for example sweep/large')
    .option('--older-than <duration>', 'only what is at least so old, for example 30d')
    .addHelpText(
      'after',
      examples('trainyard cache clear', 'trainyard cache clear --pipeline digits --stage prepare'),
    )
    .action(
      act<CacheFilter & { olderThan?: string }>(async (context, options) =>
        (await import('../commands/cache.ts')).clearCacheCommand(context, options),
      ),
    );
}
