import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';

const JOB = 'id or name of the job';

/** `trainyard jobs …` */
export function addJobsCommands(program: Command, act: Act): void {
  const jobs = program
    .command('jobs')
    .description('training jobs: which program trains, and with what; their checkpoints')
    .addHelpText(
      'after',
      examples('trainyard jobs create job.yaml', 'trainyard jobs checkpoints digits', 'trainyard jobs list'),
    );
  jobs
    .command('create')
    .description('register a training job under the name in its file')
    .argument('<file>', 'job file, YAML or JSON')
    .option('--replace', 'replace the job of this name, if there is one')
    .addHelpText(
      'after',
      examples('trainyard jobs create job.yaml', 'trainyard jobs create job.yaml --replace --json'),
    )
    .action(
      act<{ replace?: boolean }>(async (context, options, [file]) =>
        (await import('../commands/jobs.ts')).createJobCommand(context, file!, options.replace === true),
      ),
    );
  jobs
    .command('list')
    .description('training jobs, by name')
    .addHelpText('after', examples('trainyard jobs list', 'trainyard jobs list --json'))
    .action(act(async (context) => (await import('../commands/jobs.ts')).listJobsCommand(context)));
  jobs
    .command('show')
    .description('a training job with its config')
    .argument('<job>', JOB)
    .addHelpText('after', examples('trainyard jobs show digits', 'trainyard jobs show digits --json'))
    .action(
      act(async (context, _, [job]) => (await import('../commands/jobs.ts')).showJobCommand(context, job!)),
    );
  jobs
    .command('checkpoints')
    .description('model checkpoints of a training job, newest first')
    .argument('<job>', JOB)
    .option('--deleted', 'those whose files are deleted, too')
    .addHelpText(
      'after',
      examples('trainyard jobs checkpoints digits', 'trainyard jobs checkpoints digits --deleted --json'),
    )
    .action(
      act<{ deleted?: boolean }>(async (context, options, [job]) =>
        (await import('../commands/jobs.ts')).checkpointsCommand(context, job!, options.deleted === true),
      ),
    );
  jobs
    .command('delete')
    .description('delete a training job; its checkpoints stay with their runs')
    .argument('<job>', JOB)
    .addHelpText('after', examples('trainyard jobs delete digits'))
    .action(
      act(async (context, _, [job]) => (await import('../commands/jobs.ts')).deleteJobCommand(context, job!)),
    );
}
