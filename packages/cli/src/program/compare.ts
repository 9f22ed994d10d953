import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { CompareOptions } from '../commands/compare-runs.ts';

/** `trainyard runs compare` */
export function addCompare(runs: Command, act: Act): void {
  runs
    .command('compare')
    .description('tracked runs side by side: params that differ, last and best values of metrics')
    .argument('<ids...>', 'ids of two or more runs')
    .option('--all', 'params that are the same in all runs, too')
    .addHelpText(
      'after',
      examples('trainyard runs compare run_01… run_02…', 'trainyard runs compare run_01… run_02… --json'),
    )
    .action(
      act<CompareOptions>(async (context, options, ids) =>
        (await import('../commands/compare-runs.ts')).compareRunsCommand(context, ids, options),
      ),
    );
}
