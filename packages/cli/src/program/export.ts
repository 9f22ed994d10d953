import { type Command, Option } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { ExportOptions } from '../commands/export-runs.ts';

/** `trainyard export` */
export function addExportCommand(program: Command, act: Act): void {
  program
    .command('export')
    .description('write the runs of an experiment, or all their points, as a table')
    .requiredOption('--experiment <name>', 'the experiment')
    .option('--filter <query>', 'only runs that this lets through, such as "metrics.loss < 0.5"')
    .option('--points', 'all points of their metrics, instead of a row for each run')
    .addOption(
      new Option('--format <format>', 'of the file').choices(['csv', 'json', 'parquet']).default('csv'),
    )
    .requiredOption('--out <file>', 'where to write it')
    .option('--force', 'write over a file that exists')
    .addHelpText(
      'after',
      examples(
        'trainyard export --experiment digits --out runs.csv',
        'trainyard export --experiment digits --points --format parquet --out points.parquet',
      ),
    )
    .action(
      act<ExportOptions>(async (context, options) =>
        (await import('../commands/export-runs.ts')).exportCommand(context, options),
      ),
    );
}
