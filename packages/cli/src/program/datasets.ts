import { Argument, type Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { LocalOptions, RegisterOptions, RowOptions, TimeOptions } from '../commands/dataset-content.ts';
import type { ListDatasetsOptions } from '../commands/dataset-registry.ts';
import { wholeNumber } from '../options/option-values.ts';

const SOURCE = 'a file, a directory or URL; or a registered dataset as NAME or NAME@VERSION';
const VERSION = 'name of a dataset, or NAME@VERSION with the first digits of the SHA-256';

/** `trainyard datasets …` */
export function addDatasetsCommands(program: Command, act: Act): void {
  const datasets = program
    .command('datasets')
    .description('look into datasets, and see which runs made and used them')
    .addHelpText(
      'after',
      examples(
        'trainyard datasets profile train.csv',
        "trainyard datasets sql train.parquet 'select label, count(*) from data group by 1'",
        'trainyard datasets list',
      ),
    );
  addContent(datasets, act);
  addRegister(datasets, act);
  addRegistry(datasets, act);
}

function addContent(datasets: Command, act: Act): void {
  withSourceOptions(datasets.command('preview').description('the first rows'))
    .option('--rows <n>', 'how many', wholeNumber('rows', 1, 1000), 10)
    .addHelpText('after', examples('trainyard datasets preview train.csv --rows 3'))
    .action(
      act<RowOptions>(async (context, options, [source]) =>
        (await import('../commands/dataset-content.ts')).previewCommand(context, source!, options),
      ),
    );
  withTimeout(
    withSourceOptions(datasets.command('profile').description('what the values of each column are like')),
  )
    .addHelpText('after', examples('trainyard datasets profile train.jsonl --json'))
    .action(
      act<TimeOptions>(async (context, options, [source]) =>
        (await import('../commands/dataset-content.ts')).profileCommand(context, source!, options),
      ),
    );
  withSourceOptions(datasets.command('count').description('how many rows there are'))
    .addHelpText('after', examples('trainyard datasets count train.parquet'))
    .action(
      act<LocalOptions>(async (context, options, [source]) =>
        (await import('../commands/dataset-content.ts')).countCommand(context, source!, options),
      ),
    );
  withTimeout(
    withSourceOptions(datasets.command('sql').description('the answer to a SELECT on the table "data"')),
  )
    .addArgument(new Argument('<query>', 'one SELECT'))
    .option('--rows <n>', 'at most so many', wholeNumber('rows', 1, 10_000), 1000)
    .addHelpText('after', examples("trainyard datasets sql train.csv 'select avg(score) from data'"))
    .action(
      act<RowOptions>(async (context, options, [source, query]) =>
        (await import('../commands/dataset-content.ts')).sqlCommand(context, source!, query!, options),
      ),
    );
  withSourceOptions(
    datasets.command('validate').description('read all of it; exit code 2 names what is broken'),
  )
    .addHelpText('after', examples('trainyard datasets validate train.csv && trainyard run pipeline.yaml'))
    .action(
      act<LocalOptions>(async (context, options, [source]) =>
        (await import('../commands/dataset-content.ts')).validateDatasetCommand(context, source!, options),
      ),
    );
}

function addRegister(datasets: Command, act: Act): void {
  withTimeout(
    withSourceOptions(
      datasets
        .command('register')
        .description('tell the server about a version: hash, size, rows, columns, profile and first rows'),
    ),
  )
    .requiredOption('--name <name>', 'name of the dataset')
    .option('--run <id>', 'a run that used it')
    .option('--role <role>', 'how: input or output', 'input')
    .option('--no-preview', 'send no rows, and no smallest and largest values')
    .addHelpText(
      'after',
      examples(
        'trainyard datasets register train.csv --name sentiment',
        'trainyard datasets register hf://datasets/me/sentiment --name sentiment --split train',
      ),
    )
    .action(
      act<RegisterOptions>(async (context, options, [source]) =>
        (await import('../commands/dataset-content.ts')).registerCommand(context, source!, options),
      ),
    );
}

function addRegistry(datasets: Command, act: Act): void {
  datasets
    .command('list')
    .description('versions of datasets, newest first')
    .option('--name <name>', 'only this dataset')
    .option('--limit <n>', 'how many', wholeNumber('limit', 1, 500), 50)
    .addHelpText('after', examples('trainyard datasets list --name sentiment'))
    .action(
      act<ListDatasetsOptions>(async (context, options) =>
        (await import('../commands/dataset-registry.ts')).listDatasetsCommand(context, options),
      ),
    );
  datasets
    .command('show')
    .description('a version of a dataset, with its columns')
    .argument('<name>', VERSION)
    .addHelpText('after', examples('trainyard datasets show sentiment@4f2a91'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/dataset-registry.ts')).showDatasetCommand(context, name!),
      ),
    );
  datasets
    .command('lineage')
    .description('runs that made and used a version, and what else they made and used')
    .argument('<name>', VERSION)
    .addHelpText('after', examples('trainyard datasets lineage sentiment'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/dataset-registry.ts')).lineageCommand(context, name!),
      ),
    );
}

function withTimeout(command: Command): Command {
  return command.option(
    '--timeout <duration>',
    'longest time of a query on a file that is read here; default 60s',
  );
}

function withSourceOptions(command: Command): Command {
  return command
    .argument('<source>', SOURCE)
    .option('--split <name>', 'of a dataset with splits; default train')
    .option('--format <format>', 'csv, json, jsonl or parquet, instead of that of the name')
    .option('--delimiter <character>', 'what separates the fields of a CSV file')
    .option('--text', 'read all fields of a CSV file as text')
    .option('--cache-dir <dir>', 'where fetched files are kept')
    .option('--allow-private-hosts [host...]', 'fetch from private addresses: of these hosts, or of all');
}
