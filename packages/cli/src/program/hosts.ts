import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { AddHostOptions } from '../commands/hosts.ts';
import type { SetHostOptions } from '../commands/set-host.ts';
import { wholeNumber } from '../options/option-values.ts';
import { unwatchedFor } from '../options/unwatched-option.ts';

/** `trainyard hosts …` */
export function addHostsCommands(program: Command, act: Act): void {
  const hosts = program
    .command('hosts')
    .description('machines on which jobs run over SSH, as the agents of this data directory know them')
    .addHelpText('after', examples('trainyard hosts add gpu1 anna@gpu1.example', 'trainyard hosts list'));
  hosts
    .command('add')
    .description('test a host and remember it; "trainyard up" runs jobs on it from then on')
    .argument('<name>', 'how jobs name it: executor: { ssh: { host: NAME } }')
    .argument('<address>', '[user@]host[:port], or an alias of ssh_config')
    .option('--identity <file>', 'private key; default: what ssh_config and the agent offer')
    .option('--jump <hosts>', 'go through this host, or these, parted by commas')
    .option('--host-key <fingerprint>', 'the key it must show (SHA256:…); default: what known_hosts says')
    .option('--ssh-config <file>', "use this file instead of the user's ssh_config")
    .option('--password-env <variable>', 'take the password from this variable now, and keep it sealed')
    .option('--passphrase-env <variable>', 'likewise the passphrase of the key')
    .option('--working-dir <dir>', 'where everything of ours is over there; default ~/verl_jobs')
    .option('--conda-env <name>', 'conda environment for jobs that name none')
    .option(
      '--slots <n>',
      'jobs at the same time; default: one, or one per GPU',
      wholeNumber('slots', 1, 1000),
    )
    .option('--gpus <n>', 'GPUs for jobs; default: those that nvidia-smi shows', wholeNumber('gpus', 0, 1024))
    .option('--queue <queue...>', 'queues to take jobs from; default: default')
    .option(
      '--unwatched-for <duration>',
      'end jobs over there when no agent was heard of for so long; default: never',
      unwatchedFor,
    )
    .option('--no-test', 'do not connect now')
    .addHelpText(
      'after',
      examples(
        'trainyard hosts add gpu1 anna@10.0.0.5:2222 --identity ~/.ssh/lab --slots 2',
        'trainyard hosts add gpu2 gpu2.example --jump gate.example --conda-env verl',
        'SECRET=… trainyard hosts add old anna@old.example --password-env SECRET',
      ),
    )
    .action(
      act<AddHostOptions>(async (context, options, [name, address]) =>
        (await import('../commands/hosts.ts')).addHostCommand(context, name!, address!, options),
      ),
    );
  hosts
    .command('set')
    .description('change a host; also for jobs that run there already')
    .argument('<name>', 'name of the host')
    .option(
      '--unwatched-for <duration>',
      'end jobs over there when no agent was heard of for so long, or "off"',
      unwatchedFor,
    )
    .addHelpText('after', examples('trainyard hosts set gpu1 --unwatched-for 6h'))
    .action(
      act<SetHostOptions>(async (context, options, [name]) =>
        (await import('../commands/set-host.ts')).setHostCommand(context, name!, options),
      ),
    );
  hosts
    .command('list')
    .description('hosts with their slots and GPUs; passwords are shown as ***')
    .addHelpText('after', examples('trainyard hosts list --json'))
    .action(act(async (context) => (await import('../commands/hosts.ts')).listHostsCommand(context)));
  hosts
    .command('test')
    .description('log in and show what the host has; exit 4 when it refuses, 6 when it cannot be reached')
    .argument('<name>', 'name of the host')
    .addHelpText('after', examples('trainyard hosts test gpu1'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/hosts.ts')).testHostCommand(context, name!),
      ),
    );
  hosts
    .command('get')
    .description('bring a file from a host, such as an artifact or a checkpoint; its SHA-256 is compared')
    .argument('<name>', 'name of the host')
    .argument('<path>', 'absolute path over there')
    .argument('[file]', 'where to put it; default: its own name, here')
    .addHelpText(
      'after',
      examples('trainyard hosts get gpu1 /home/anna/verl_jobs/attempts/att_…/work/model.pt'),
    )
    .action(
      act(async (context, _, [name, path, file]) =>
        (await import('../commands/hosts.ts')).getFromHostCommand(context, name!, path!, file),
      ),
    );
  hosts
    .command('remove')
    .description('forget a host; what is on it stays, running jobs go on')
    .argument('<name>', 'name of the host')
    .addHelpText('after', examples('trainyard hosts remove gpu1'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/hosts.ts')).removeHostCommand(context, name!),
      ),
    );
}
