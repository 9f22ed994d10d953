import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import { wholeNumber } from '../options/option-values.ts';

/** `trainyard models …` */
export function addModelsCommands(program: Command, act: Act): void {
  const models = program
    .command('models')
    .description('registered models, their versions and aliases')
    .addHelpText('after', examples('trainyard models list', 'trainyard models alias net best 3'));
  models
    .command('list')
    .description('all registered models')
    .option('--filter <text>', "only those that match, as in name LIKE 'net%'")
    .addHelpText('after', examples(`trainyard models list --filter "tags.team = 'vision'"`))
    .action(
      act<{ filter?: string }>(async (context, options) =>
        (await import('../commands/models.ts')).listModelsCommand(context, options),
      ),
    );
  models
    .command('show')
    .description('a model with its versions')
    .argument('<name>', 'name of the model')
    .addHelpText('after', examples('trainyard models show net --json'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/models.ts')).showModelCommand(context, name!),
      ),
    );
  models
    .command('alias')
    .description('let an alias stand for a version')
    .argument('<name>', 'name of the model')
    .argument('<alias>', 'such as best or production')
    .argument('[version]', 'number of the version')
    .option('--delete', 'take the alias away')
    .addHelpText(
      'after',
      examples('trainyard models alias net best 3', 'trainyard models alias net best --delete'),
    )
    .action(
      act<{ delete?: boolean }>(async (context, options, [name, alias, version]) => {
        const number = version === undefined ? undefined : wholeNumber('version', 1)(version);
        const given = [name!, alias!, number] as const;
        return (await import('../commands/models.ts')).aliasModelCommand(context, given, options);
      }),
    );
  models
    .command('register')
    .description('make a version of a model of a checkpoint that a run has recorded')
    .argument('<name>', 'name of the model; made where it is not there')
    .argument('<checkpoint>', 'id of the model checkpoint')
    .option('--description <text>', 'what this version is')
    .addHelpText('after', examples('trainyard models register net ckp_01…'))
    .action(
      act<{ description?: string }>(async (context, options, [name, checkpoint]) =>
        (await import('../commands/models.ts')).registerModelCommand(context, name!, checkpoint!, options),
      ),
    );
}
