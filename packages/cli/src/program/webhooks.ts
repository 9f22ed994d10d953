import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { AddWebhookOptions, DeliveriesOptions } from '../commands/webhooks.ts';
import { wholeNumber } from '../options/option-values.ts';

const DEFAULT_DELIVERIES = 50;

/** `trainyard webhooks …` */
export function addWebhooksCommands(program: Command, act: Act): void {
  const webhooks = program
    .command('webhooks')
    .description('tell other programs about runs, by signed HTTP requests')
    .addHelpText('after', examples('trainyard webhooks add https://chat.example/hook --events run.failed'));
  webhooks
    .command('add')
    .description('tell an address about events; prints the id, and the secret once')
    .argument('<address>', 'http or https address that gets the messages')
    .option(
      '--events <names>',
      'parted by commas: run.created, run.started, run.finished (the default), run.completed, run.failed, ' +
        'run.cancelled, stage.finished, stage.failed, approval.requested, approval.escalated, approval.decided',
    )
    .option('--pipeline <name>', 'only runs of this pipeline')
    .option('--secret-env <variable>', 'variable that holds the secret to sign with; default: a new one')
    .addHelpText(
      'after',
      examples(
        'trainyard webhooks add https://chat.example/hook',
        'trainyard webhooks add https://ci.example/hook --events run.failed,run.completed --pipeline nightly --secret-env HOOK_SECRET',
      ),
    )
    .action(
      act<AddWebhookOptions>(async (context, options, [address]) =>
        (await import('../commands/webhooks.ts')).addWebhookCommand(context, address!, options),
      ),
    );
  webhooks
    .command('list')
    .description('all webhooks and how many messages they got')
    .addHelpText('after', examples('trainyard webhooks list --json'))
    .action(act(async (context) => (await import('../commands/webhooks.ts')).listWebhooksCommand(context)));
  webhooks
    .command('show')
    .description('one webhook')
    .argument('<id>', 'id of the webhook')
    .addHelpText('after', examples('trainyard webhooks show whk_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/webhooks.ts')).showWebhookCommand(context, id!),
      ),
    );
  webhooks
    .command('remove')
    .description('remove a webhook with its deliveries; what waits is not sent')
    .argument('<id>', 'id of the webhook')
    .addHelpText('after', examples('trainyard webhooks remove whk_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/webhooks.ts')).removeWebhookCommand(context, id!),
      ),
    );
  webhooks
    .command('test')
    .description('send a test message and wait for the answer')
    .argument('<id>', 'id of the webhook')
    .addHelpText('after', examples('trainyard webhooks test whk_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/webhooks.ts')).testWebhookCommand(context, id!),
      ),
    );
  addDeliveryCommands(webhooks, act);
}

function addDeliveryCommands(webhooks: Command, act: Act): void {
  webhooks
    .command('deliveries')
    .description('messages of a webhook, newest first, and what came of them')
    .argument('<id>', 'id of the webhook')
    .option('--status <status>', 'pending, delivered or failed')
    .option('--limit <n>', 'how many at most', wholeNumber('limit', 1, 10_000), DEFAULT_DELIVERIES)
    .addHelpText('after', examples('trainyard webhooks deliveries whk_01… --status failed'))
    .action(
      act<DeliveriesOptions>(async (context, options, [id]) =>
        (await import('../commands/webhooks.ts')).listDeliveriesCommand(context, id!, options),
      ),
    );
  webhooks
    .command('redeliver')
    .description('send a message again, with its id, and wait for the answer')
    .argument('<message>', 'id of the message: webhooks deliveries shows it')
    .addHelpText('after', examples('trainyard webhooks redeliver msg_01…'))
    .action(
      act(async (context, _, [id]) =>
        (await import('../commands/webhooks.ts')).redeliverCommand(context, id!),
      ),
    );
}
