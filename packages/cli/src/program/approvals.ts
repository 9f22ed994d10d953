import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { ApproveOptions, ListApprovalsOptions, RejectOptions } from '../commands/approvals.ts';
import { keyValue, wholeNumber } from '../options/option-values.ts';

const ID = 'id of the approval, or of a run in which one stage waits';
const STAGE = 'the stage that is meant, for example deploy/review';

/** `trainyard runs approve` and `trainyard runs reject` */
export function addDecisions(runs: Command, act: Act): void {
  runs
    .command('approve')
    .description('approve a stage that waits for a person')
    .argument('<id>', ID)
    .option('--stage <path>', STAGE)
    .option('--input <key=value>', 'value for a field of its form; may be repeated', keyValue('input'))
    .option('--comment <text>', 'kept with the decision, and an output of the stage')
    .addHelpText(
      'after',
      examples(
        'trainyard runs approve run_01…',
        'trainyard runs approve run_01… --stage review --input threshold=0.9 --comment "looks good"',
      ),
    )
    .action(
      act<ApproveOptions>(async (context, options, [id]) =>
        (await import('../commands/approvals.ts')).approveCommand(context, id!, options),
      ),
    );
  runs
    .command('reject')
    .description('reject a stage that waits for a person: it fails')
    .argument('<id>', ID)
    .option('--stage <path>', STAGE)
    .option('--reason <text>', 'kept with the decision, and in the error of the stage')
    .addHelpText('after', examples('trainyard runs reject run_01… --reason "accuracy too low"'))
    .action(
      act<RejectOptions>(async (context, options, [id]) =>
        (await import('../commands/approvals.ts')).rejectCommand(context, id!, options),
      ),
    );
}

/** `trainyard approvals …` */
export function addApprovalsCommands(program: Command, act: Act): void {
  const approvals = program
    .command('approvals')
    .description('list stages that wait for a person, and decide')
    .addHelpText('after', examples('trainyard approvals list', 'trainyard approvals decide'));
  approvals
    .command('decide')
    .description('be asked, at a terminal, about one stage that waits for a person, or about all')
    .argument('[id]', `${ID}; default: all that wait`)
    .option('--stage <path>', STAGE)
    .addHelpText('after', examples('trainyard approvals decide', 'trainyard approvals decide run_01…'))
    .action(
      act<{ stage?: string }>(async (context, options, [id]) =>
        (await import('../commands/approvals.ts')).decideCommand(context, id, options),
      ),
    );
  approvals
    .command('list')
    .description('stages that wait for a person, newest first')
    .option('--status <status>', 'waiting, approved, rejected, withdrawn or all', 'waiting')
    .option('--limit <n>', 'at most so many', wholeNumber('limit', 1), 100)
    .addHelpText(
      'after',
      examples('trainyard approvals list', 'trainyard approvals list --status all --json'),
    )
    .action(
      act<ListApprovalsOptions>(async (context, options) =>
        (await import('../commands/approvals.ts')).listApprovalsCommand(context, options),
      ),
    );
}
