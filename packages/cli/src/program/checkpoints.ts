import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';

const ID = 'id of the checkpoint';

/** `trainyard checkpoints …` */
export function addCheckpointsCommands(program: Command, act: Act): void {
  const checkpoints = program
    .command('checkpoints')
    .description('model checkpoints: list, keep for good, remove')
    .addHelpText('after', examples('trainyard checkpoints list digits', 'trainyard checkpoints pin ckp_01…'));
  checkpoints
    .command('list')
    .description('checkpoints of a training job, or of a run and all stages in it, newest first')
    .argument('<job-or-run>', 'id or name of a training job, or id of a run')
    .option('--deleted', 'those whose files are deleted, too')
    .addHelpText(
      'after',
      examples('trainyard checkpoints list digits', 'trainyard checkpoints list run_01… --json'),
    )
    .action(
      act<{ deleted?: boolean }>(async (context, options, [of]) =>
        (await import('../commands/checkpoints.ts')).listCheckpointsCommand(
          context,
          of!,
          options.deleted === true,
        ),
      ),
    );
  checkpoints
    .command('pin')
    .description('keep a checkpoint, whatever a policy or a clean-up says')
    .argument('<id>', ID)
    .addHelpText('after', examples('trainyard checkpoints pin ckp_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/checkpoints.ts')).changeCheckpointCommand(context, 'pin', id!),
      ),
    );
  checkpoints
    .command('unpin')
    .description('let policies and clean-ups decide on it again')
    .argument('<id>', ID)
    .addHelpText('after', examples('trainyard checkpoints unpin ckp_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/checkpoints.ts')).changeCheckpointCommand(context, 'unpin', id!),
      ),
    );
  checkpoints
    .command('remove')
    .description('have its files deleted by the next clean-up or training of its job, on its machine')
    .argument('<id>', ID)
    .addHelpText('after', examples('trainyard checkpoints remove ckp_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/checkpoints.ts')).changeCheckpointCommand(context, 'remove', id!),
      ),
    );
}
