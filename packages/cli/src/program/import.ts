import { type Command, Option } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { ImportWfFormatOptions } from '../commands/import.ts';
import type { ImportRunsOptions } from '../commands/import-runs.ts';
import { positiveNumber, wholeNumber } from '../options/option-values.ts';

/** `trainyard import …` */
export function addImportCommands(program: Command, act: Act): void {
  const group = program
    .command('import')
    .description('bring in runs of other systems, or make pipeline files of their workflows')
    .addHelpText(
      'after',
      examples(
        'trainyard import mlflow mlruns',
        'trainyard import tensorboard logs',
        'trainyard import wfformat recorded.json --out pipeline.yaml',
      ),
    );
  group
    .command('wfformat')
    .description('a recorded workflow in WfFormat 1.5 (wfcommons); needs no server')
    .argument('<file>', 'the recorded workflow, JSON')
    .option('--out <file>', 'where to write the pipeline file; default: stdout')
    .option('--force', 'write over a file that exists')
    .addOption(
      new Option(
        '--jobs <kind>',
        'what the stages do: noop: nothing; command: what was recorded, nothing where nothing was; ' +
          'sleep: for the recorded runtime',
      )
        .choices(['noop', 'command', 'sleep'])
        .default('noop'),
    )
    .option(
      '--speedup <factor>',
      'with --jobs sleep: by how much the sleep is shorter',
      positiveNumber('--speedup'),
    )
    .option(
      '--max-parallel <n>',
      'stages that may run at once; default: as many as there are slots',
      wholeNumber('--max-parallel', 1),
    )
    .option('--name <name>', 'name of the pipeline; default: that of the workflow')
    .addHelpText(
      'after',
      examples(
        'trainyard import wfformat montage.json --out montage.yaml',
        'trainyard import wfformat montage.json --jobs sleep --speedup 100 > quick.yaml',
      ),
    )
    .action(
      act<ImportWfFormatOptions>(async (context, options, [file]) =>
        (await import('../commands/import.ts')).importWfFormatCommand(context, file!, options),
      ),
    );
  addRunImports(group, act);
}

function addRunImports(group: Command, act: Act): void {
  const EXPERIMENT = ['--experiment <name>', 'experiment to put the runs into'] as const;
  group
    .command('mlflow')
    .description(
      "runs of a directory mlruns, as MLflow's file store writes it; a second time brings only what is new",
    )
    .argument('<dir>', 'the directory')
    .option(...EXPERIMENT)
    .addHelpText('after', examples('trainyard import mlflow ./mlruns'))
    .action(
      act<ImportRunsOptions>(async (context, options, [dir]) =>
        (await import('../commands/import-runs.ts')).importMlrunsCommand(context, dir!, options),
      ),
    );
  group
    .command('tensorboard')
    .description('scalars and hparams of event files, each directory with such files a run')
    .argument('<dir>', 'the directory that TensorBoard is shown')
    .option(...EXPERIMENT)
    .addHelpText('after', examples('trainyard import tensorboard ./runs --experiment digits'))
    .action(
      act<ImportRunsOptions>(async (context, options, [dir]) =>
        (await import('../commands/import-runs.ts')).importTensorboardCommand(context, dir!, options),
      ),
    );
}
