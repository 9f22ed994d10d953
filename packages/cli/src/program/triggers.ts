import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { AddTriggerOptions } from '../commands/triggers.ts';
import { keyValue } from '../options/option-values.ts';

/** `trainyard triggers …` */
export function addTriggersCommands(program: Command, act: Act): void {
  const triggers = program
    .command('triggers')
    .description('start runs of a registered pipeline by signed requests from outside')
    .addHelpText(
      'after',
      examples("trainyard triggers add deploy --pipeline train --param ref='${{ payload.ref }}'"),
    );
  triggers
    .command('add')
    .description('make an address that starts runs; prints it, and the secret once')
    .argument('<name>', 'name of the trigger')
    .requiredOption(
      '--pipeline <name>',
      'registered pipeline: name, or name@version; without a version the newest',
    )
    .option(
      '--param <key=value>',
      'value for a param, with ${{ payload.… }} for what was sent; may be repeated',
      keyValue('param'),
    )
    .option('--when <expression>', 'start a run only if this is true, for example payload.ref == "main"')
    .option('--secret-env <variable>', 'variable that holds the secret; default: a new one')
    .addHelpText(
      'after',
      examples(
        'trainyard triggers add nightly-data --pipeline train',
        "trainyard triggers add push --pipeline train@3 --param commit='${{ payload.after }}' --when 'payload.ref == \"refs/heads/main\"' --secret-env HOOK_SECRET",
      ),
    )
    .action(
      act<AddTriggerOptions>(async (context, options, [name]) =>
        (await import('../commands/triggers.ts')).addTriggerCommand(context, name!, options),
      ),
    );
  triggers
    .command('list')
    .description('all triggers and their last runs')
    .addHelpText('after', examples('trainyard triggers list --json'))
    .action(act(async (context) => (await import('../commands/triggers.ts')).listTriggersCommand(context)));
  triggers
    .command('show')
    .description('one trigger with its params')
    .argument('<name>', 'name or id of the trigger')
    .addHelpText('after', examples('trainyard triggers show push'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/triggers.ts')).showTriggerCommand(context, name!),
      ),
    );
  triggers
    .command('remove')
    .description('remove a trigger; its address starts nothing any more')
    .argument('<name>', 'name or id of the trigger')
    .addHelpText('after', examples('trainyard triggers remove push'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/triggers.ts')).removeTriggerCommand(context, name!),
      ),
    );
}
