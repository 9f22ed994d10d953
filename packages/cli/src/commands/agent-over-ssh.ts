import { HOST_NAME, type HostConfig, HostsFile, hostConfig } from '@trainyard/agent';
import { EXIT, TrainyardError } from '@trainyard/protocol';
import { pino } from 'pino';
import type { CliContext } from '../cli-context.ts';
import { connect } from '../connection.ts';
import { HostAgents } from '../host-agents.ts';
import { guardInterrupts, untilAborted } from '../interrupt.ts';
import { parseHostAddress } from '../options/host-address.ts';
import { agentOptionsOf } from '../options/machine-options.ts';
import type { AgentCommandOptions } from './agent.ts';

/** Runs jobs on hosts over SSH, in the foreground until SIGINT or SIGTERM. */
export async function agentOverSshCommand(
  context: CliContext,
  options: AgentCommandOptions & { readonly ssh: readonly string[] },
): Promise<number> {
  refuseOwnOptions(options);
  const guard = guardInterrupts(() =>
    context.err('Stopping. Running jobs go on; the next agent on this data directory takes them up again.\n'),
  );
  const { limits, timing } = agentOptionsOf(options);
  const hosts = await hostsOf(context, options);
  const { client, token } = await connect(context, { otherwise: 'fail' });
  const level = options.logLevel ?? (context.debug ? 'debug' : 'warn');
  const agents = new HostAgents({
    url: client.url,
    token,
    dataDir: context.dataDir,
    limits,
    timing,
    log: pino({ level, base: null, name: 'agent' }, pino.destination(2)),
    ...hosts,
  });
  context.err(`Connecting to ${client.url}. Ctrl-C stops.\n`);
  try {
    await agents.start();
    const names = agents.names;
    context.out(context.json ? `${JSON.stringify({ hosts: names })}\n` : `ready ${names.join(' ')}\n`);
    await Promise.race([untilAborted(guard.signal), agents.refused]);
  } finally {
    await agents.stop();
    guard.release();
  }
  return EXIT.ok;
}

function refuseOwnOptions(options: AgentCommandOptions): void {
  if (options.gpus !== undefined && typeof options.gpus !== 'number') {
    throw new TrainyardError(
      'USAGE',
      'With --ssh, --gpus is a number: how many GPUs the host gives to jobs.',
    );
  }
  const given = (['name', 'label'] as const).find((key) => options[key] !== undefined);
  if (given === undefined) return;
  throw new TrainyardError(
    'USAGE',
    `--${given} cannot be used with --ssh: an agent over SSH has the name of its host.`,
  );
}

/** What is named in the file of hosts, and what is given as an address. */
async function hostsOf(
  context: CliContext,
  { ssh, slots, gpus, queue }: AgentCommandOptions & { readonly ssh: readonly string[] },
): Promise<{ only: string[]; more: Record<string, HostConfig> }> {
  const known = await new HostsFile(context.dataDir).read();
  const more: Record<string, HostConfig> = {};
  const only = ssh.map((text) => {
    if (known[text] !== undefined) return text;
    const address = parseHostAddress(text);
    const name = address.host.replaceAll(/[^A-Za-z0-9_.-]/g, '_');
    if (!HOST_NAME.test(name)) throw new TrainyardError('USAGE', `"${text}" is no host.`);
    const own = { slots, gpus, queues: queue };
    const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
    more[name] = hostConfig.parse({ ...address, ...given });
    return name;
  });
  return { only, more };
}
