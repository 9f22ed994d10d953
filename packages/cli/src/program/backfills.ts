import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { BackfillOptions, ShowBackfillOptions } from '../commands/backfill.ts';
import { keyValue, wholeNumber } from '../options/option-values.ts';

/** `trainyard backfill` and `trainyard backfills …` */
export function addBackfillCommands(program: Command, act: Act): void {
  program
    .command('backfill')
    .description('run a registered pipeline for every instant of a range, and wait for the end')
    .argument('<pipeline>', 'name, or name@version; without a version the newest')
    .requiredOption(
      '--from <day>',
      'first day (2026-01-01, in the time zone) or instant (2026-01-01T06:00:00Z)',
    )
    .requiredOption('--to <day>', 'last day or instant; included')
    .option('--cron <pattern>', 'the instants: those of a cron pattern')
    .option('--every <duration>', 'the instants: steps of this length, such as 1d or 6h')
    .option('--timezone <zone>', 'IANA name such as Europe/Berlin; default UTC')
    .option(
      '--param <key=value>',
      'value for a param, with ${{ schedule.at }} for the instant; may be repeated',
      keyValue('param'),
    )
    .option('--max-parallel <n>', 'runs at the same time; default 1', wholeNumber('max-parallel', 1, 1000))
    .option('--order <which>', 'oldest (default) or newest first')
    .option('--again', 'also instants for which a run has completed already')
    .option('--dry-run', 'show what would be run, and start nothing')
    .option('--detach', 'start it, print its id and return')
    .addHelpText(
      'after',
      `${examples(
        "trainyard backfill train --from 2026-01-01 --to 2026-01-31 --every 1d --param day='${{ schedule.date }}' --max-parallel 4",
        "trainyard backfill train@3 --from 2026-01-01 --to 2026-01-31 --cron '0 6 * * 1-5' --timezone Europe/Berlin --dry-run",
      )}\n\nExit code: 0 all completed, 10 some did not, 11 it was cancelled.`,
    )
    .action(
      act<BackfillOptions>(async (context, options, [pipeline]) =>
        (await import('../commands/backfill.ts')).backfillCommand(context, pipeline!, options),
      ),
    );
  const backfills = program
    .command('backfills')
    .description('list, show and cancel backfills')
    .addHelpText('after', examples('trainyard backfills list', 'trainyard backfills cancel bkf_01…'));
  backfills
    .command('list')
    .description('backfills, newest first')
    .option('--limit <n>', 'how many at most', wholeNumber('limit', 1, 500), 50)
    .addHelpText('after', examples('trainyard backfills list --json'))
    .action(
      act<{ limit: number }>(async (context, options) =>
        (await import('../commands/backfill.ts')).listBackfillsCommand(context, options.limit),
      ),
    );
  backfills
    .command('show')
    .description('progress of a backfill and its runs, latest instant first')
    .argument('<id>', 'id of the backfill')
    .option('--limit <n>', 'runs to show', wholeNumber('limit', 1, 10_000), 50)
    .addHelpText('after', examples('trainyard backfills show bkf_01…'))
    .action(
      act<ShowBackfillOptions>(async (context, options, [id]) =>
        (await import('../commands/backfill.ts')).showBackfillCommand(context, id!, options),
      ),
    );
  backfills
    .command('cancel')
    .description('start nothing more, and cancel what runs')
    .argument('<id>', 'id of the backfill')
    .addHelpText('after', examples('trainyard backfills cancel bkf_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/backfill.ts')).cancelBackfillCommand(context, id!),
      ),
    );
}
