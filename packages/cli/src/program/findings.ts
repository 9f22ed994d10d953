import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { ListFindingsOptions } from '../commands/findings.ts';
import { wholeNumber } from '../options/option-values.ts';

/** `trainyard findings …` */
export function addFindingsCommands(program: Command, act: Act): void {
  const findings = program
    .command('findings')
    .description('what was found wrong with the metrics of runs')
    .addHelpText('after', examples('trainyard findings list', 'trainyard findings list run_01… --all'));
  findings
    .command('list')
    .description('findings of a run and all that is inside of it, or of all runs; newest first')
    .argument('[run]', 'id of a run, or "last"; without it, alerts of all runs that nobody has acknowledged')
    .option('--all', 'those too that are over, acknowledged or only notes')
    .option('--limit <n>', 'at most so many', wholeNumber('limit', 1), 100)
    .addHelpText('after', examples('trainyard findings list', 'trainyard findings list last --json'))
    .action(
      act<ListFindingsOptions>(async (context, options, [run]) =>
        (await import('../commands/findings.ts')).listFindingsCommand(context, run, options),
      ),
    );
  findings
    .command('ack')
    .description('note that you have seen a finding, so that it is not listed again')
    .argument('<id>', 'id of the finding')
    .addHelpText('after', examples('trainyard findings ack fnd_01…'))
    .action(
      act(async (context, _options, [id]) =>
        (await import('../commands/findings.ts')).acknowledgeCommand(context, id!),
      ),
    );
}
