import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { CreateTokenOptions } from '../commands/tokens.ts';
import { collect } from '../options/option-values.ts';

/** `trainyard tokens …` */
export function addTokensCommands(program: Command, act: Act): void {
  const tokens = program
    .command('tokens')
    .description('make, list and revoke API tokens; as soon as one exists, every request needs one')
    .addHelpText('after', examples('trainyard tokens create --name ci --scope user --expires 90d'));
  tokens
    .command('create')
    .description('make a token and print it once; the first for people must have the scope admin')
    .requiredOption('--name <name>', 'what it is for')
    .option(
      '--scope <scope>',
      'admin, user, viewer, agent or training; may be repeated; default user',
      collect,
    )
    .option('--owner <name>', 'whose jobs a token of scope training may work on; default: its name')
    .option('--expires <duration>', 'for example 90d; default never')
    .addHelpText(
      'after',
      examples(
        'trainyard tokens create --name ada --scope admin',
        'trainyard tokens create --name gpu-1 --scope agent',
        'trainyard tokens create --name alice-gpu --scope training --owner alice',
      ),
    )
    .action(
      act<CreateTokenOptions>(async (context, options) =>
        (await import('../commands/tokens.ts')).createTokenCommand(context, options),
      ),
    );
  tokens
    .command('list')
    .description('all tokens, without their text')
    .addHelpText('after', examples('trainyard tokens list --json'))
    .action(act(async (context) => (await import('../commands/tokens.ts')).listTokensCommand(context)));
  tokens
    .command('revoke')
    .description('make a token worthless at once')
    .argument('<id>', 'id of the token')
    .addHelpText('after', examples('trainyard tokens revoke tok_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/tokens.ts')).revokeTokenCommand(context, id!),
      ),
    );
}
