import { type Command, Option } from 'commander';
import { type Act, examples, WAIT_FOR_APPROVAL } from '../command-parts.ts';
import type { ExperimentResultsOptions, ExperimentRunOptions } from '../commands/experiment.ts';
import { collect } from '../options/option-values.ts';

const DIR = 'directory with env.yaml, experiment.yaml, base.yaml and trials.yaml';

/** `trainyard experiment …` */
export function addExperimentCommands(program: Command, act: Act): void {
  const experiment = program
    .command('experiment')
    .description('experiments in YAML: trials, repeated with recorded seeds, and what they reach')
    .addHelpText(
      'after',
      examples(
        'trainyard experiment plan .',
        'trainyard experiment run .',
        'trainyard experiment results . --metric val_acc',
      ),
    );
  experiment
    .command('run')
    .description('run all trials; what an earlier run has done well with the same config is kept')
    .argument('[dir]', DIR, '.')
    .option('--detach', 'print the id of the run and return')
    .option('--fresh', 'keep nothing of an earlier run')
    .option('--dry-run', 'print what would be run and kept, and run nothing')
    .option(...WAIT_FOR_APPROVAL)
    .addHelpText(
      'after',
      examples('trainyard experiment run digits', 'trainyard experiment run digits --fresh'),
    )
    .action(
      act<ExperimentRunOptions>(async (context, options, [dir]) =>
        (await import('../commands/experiment.ts')).runExperimentCommand(context, dir!, options),
      ),
    );
  experiment
    .command('plan')
    .description('check the files and print trials, seeds and effective settings; needs no server')
    .argument('[dir]', DIR, '.')
    .addHelpText(
      'after',
      examples('trainyard experiment plan digits', 'trainyard experiment plan digits --json'),
    )
    .action(
      act(async (context, _, [dir]) =>
        (await import('../commands/experiment.ts')).planExperimentCommand(context, dir!),
      ),
    );
  experiment
    .command('results')
    .description('metrics of the trials: mean over the repeats, and how far they lie apart')
    .argument('[dir]', DIR, '.')
    .option('--metric <key>', 'only this metric; may be repeated', collect)
    .addOption(
      new Option('--of <which>', 'which value of each run').choices(['last', 'min', 'max']).default('last'),
    )
    .addHelpText(
      'after',
      examples(
        'trainyard experiment results digits',
        'trainyard experiment results digits --metric val_acc --of max --json',
      ),
    )
    .action(
      act<ExperimentResultsOptions>(async (context, options, [dir]) =>
        (await import('../commands/experiment.ts')).experimentResultsCommand(context, dir!, options),
      ),
    );
}
