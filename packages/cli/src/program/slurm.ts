import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { SlurmAgentCommandOptions } from '../commands/agent-slurm.ts';
import { addJournalOptions } from '../options/journal-options.ts';
import { wholeNumber } from '../options/option-values.ts';

/** `trainyard slurm-agent` */
export function addSlurmCommands(program: Command, act: Act): void {
  addJournalOptions(program.command('slurm-agent'))
    .description('run jobs in a Slurm cluster for a server, in the foreground')
    .argument('[name]', 'of the cluster, for jobs with executor: { slurm: { cluster: NAME } }', 'slurm')
    .option('--host <name>', 'login node, of "trainyard hosts"; default: the commands of Slurm are here')
    .option('--partition <name>', 'for jobs that name none')
    .option('--account <name>', 'for jobs that name none')
    .option('--qos <name>', 'for jobs that name none')
    .option('--option <option...>', 'more options of sbatch, each as --option=--name=value')
    .option('--working-dir <dir>', 'that login node and compute nodes share; default ~/trainyard_jobs')
    .option('--conda-env <name>', 'conda environment for jobs that name none')
    .option(
      '--warn <seconds>',
      'how long before its time limit a program gets TERM; default 60',
      wholeNumber('warn', 1, 65_535),
    )
    .option(
      '--slots <n>',
      'jobs that wait or run in Slurm at once; default 50',
      wholeNumber('slots', 1, 10_000),
    )
    .option('--gpus <n>', 'GPUs that they may have together; default 64', wholeNumber('gpus', 0, 1024))
    .option('--queue <queue...>', 'queues to take jobs from; default: default')
    .option('--log-level <level>', 'debug, info, warn or error; default warn')
    .addHelpText(
      'after',
      examples(
        'trainyard slurm-agent',
        'trainyard slurm-agent big --host login1 --partition gpu --account lab --slots 100',
        'trainyard slurm-agent --option=--constraint=a100 --option=--exclusive',
      ),
    )
    .action(
      act<SlurmAgentCommandOptions>(async (context, options, [name]) =>
        (await import('../commands/agent-slurm.ts')).slurmAgentCommand(context, name!, options),
      ),
    );
}
