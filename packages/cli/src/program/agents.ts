import { type Command, Option } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { AgentCommandOptions } from '../commands/agent.ts';
import { addMachineOptions } from '../options/machine-options.ts';
import { wholeNumber } from '../options/option-values.ts';
import { restartSmall } from '../restart-small.ts';

/** `trainyard agent`, `trainyard agents …` */
export function addAgentCommands(program: Command, act: Act): void {
  addMachineOptions(program.command('agent'))
    .description('run jobs on this machine for a server, in the foreground')
    .option('--name <name>', 'shown to people; default: the host name')
    .option(
      '--api-port <port>',
      'serve the own HTTP routes of the older agent on this port; 0 for any free one; default: none',
      wholeNumber('api-port', 0, 65_535),
    )
    .option('--api-host <host>', 'address for them; beyond loopback TRAINYARD_AGENT_API_TOKEN must be set')
    .addOption(
      new Option(
        '--when-full <what>',
        'what becomes of a job sent there that finds no free slot; default queue',
      ).choices(['queue', 'reject']),
    )
    .option(
      '--ssh <host...>',
      'run jobs on these hosts instead: names of "trainyard hosts", or [user@]host[:port]',
    )
    .option('--log-level <level>', 'debug, info, warn or error; default warn')
    .addHelpText(
      'after',
      examples(
        'trainyard agent --url http://train.example:7070 --slots 2 --gpus 2',
        'trainyard agent --queue training:1 --queue short:4',
        'trainyard agent --ssh gpu1 --ssh anna@gpu2.example',
      ),
    )
    .action(
      act<AgentCommandOptions>(async (context, options) => {
        const { agentCommand } = await import('../commands/agent.ts');
        restartSmall();
        return agentCommand(context, options);
      }),
    );
  const agents = program
    .command('agents')
    .description('machines that run jobs')
    .addHelpText('after', examples('trainyard agents list', 'trainyard agents drain agt_01…'));
  agents
    .command('list')
    .description('all agents that ever registered: who is there, how busy, since when not')
    .addHelpText('after', examples('trainyard agents list', 'trainyard agents list --json'))
    .action(act(async (context) => (await import('../commands/list-agents.ts')).listAgentsCommand(context)));
  agents
    .command('drain')
    .description('let an agent take no more work, finish what it has, and leave')
    .argument('<id>', 'id of an agent')
    .addHelpText('after', examples('trainyard agents drain agt_01…'))
    .action(
      act(async (context, _options, [id]) =>
        (await import('../commands/drain-agent.ts')).drainAgentCommand(context, id!),
      ),
    );
}
