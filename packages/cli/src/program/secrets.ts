import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { SetSecretOptions } from '../commands/secrets.ts';

/** `trainyard secrets …` */
export function addSecretsCommands(program: Command, act: Act): void {
  const secrets = program
    .command('secrets')
    .description('store and remove secrets that jobs find in their environment: ${{ secrets.NAME }}')
    .addHelpText('after', examples('trainyard secrets set HF_TOKEN --from-env HF_TOKEN'));
  secrets
    .command('set')
    .description('store a secret, or change it; the value is read from standard input')
    .argument('<name>', 'letters, digits and "_"')
    .option('--from-env <variable>', 'take the value of this environment variable')
    .option('--from-file <file>', 'take the content of this file')
    .addHelpText(
      'after',
      examples(
        'printf %s "$KEY" | trainyard secrets set KEY',
        'trainyard secrets set KEY --from-file key.txt',
      ),
    )
    .action(
      act<SetSecretOptions>(async (context, options, [name]) =>
        (await import('../commands/secrets.ts')).setSecretCommand(context, name!, options),
      ),
    );
  secrets
    .command('list')
    .description('names of all secrets; no values')
    .addHelpText('after', examples('trainyard secrets list --json'))
    .action(act(async (context) => (await import('../commands/secrets.ts')).listSecretsCommand(context)));
  secrets
    .command('remove')
    .description('remove a secret; jobs that need it fail from then on')
    .argument('<name>', 'name of the secret')
    .addHelpText('after', examples('trainyard secrets remove HF_TOKEN'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/secrets.ts')).removeSecretCommand(context, name!),
      ),
    );
}
