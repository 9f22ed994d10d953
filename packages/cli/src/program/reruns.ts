import type { Command } from 'commander';
import { type Act, examples, WAIT_FOR_APPROVAL } from '../command-parts.ts';
import type { RetryOptions } from '../commands/retry.ts';
import { collect, keyValue } from '../options/option-values.ts';

/** `trainyard runs retry` */
export function addRetry(runs: Command, act: Act): void {
  runs
    .command('retry')
    .description('run again what failed or was cancelled, keep what had ended well, and wait for the end')
    .argument('[id]', 'id of a root run that has ended; default: the newest run')
    .option(
      '--stage <path>',
      'run this stage again, too, with all that depends on it; may be repeated',
      collect,
    )
    .option('--all', 'run everything again')
    .option('--param <key=value>', 'another value for a param; may be repeated', keyValue('param'))
    .option('--dry-run', 'print what would run and what would be kept, and run nothing')
    .option('--no-cache', 'run cached stages that have to run again all the same')
    .option('--detach', 'submit, print the id and return')
    .option(...WAIT_FOR_APPROVAL)
    .addHelpText(
      'after',
      `${examples(
        'trainyard runs retry',
        'trainyard runs retry run_01…',
        'trainyard runs retry run_01… --stage sweep/large',
        'trainyard runs retry run_01… --param batchSize=16 --detach --json',
      )}\n\nA new run is made; the one with the id stays as it is. Exit code: as for run.`,
    )
    .action(
      act<RetryOptions>(async (context, options, [id]) =>
        (await import('../commands/retry.ts')).retryCommand(context, id, options),
      ),
    );
}
