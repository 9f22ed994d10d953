import { join } from 'node:path';
import { type AgentOptions, createAgent } from '@trainyard/agent';
import { EXIT } from '@trainyard/protocol';
import { pino } from 'pino';
import { guardAgentSignals } from '../agent-signals.ts';
import type { CliContext } from '../cli-context.ts';
import { connect } from '../connection.ts';
import { defaultSlots } from '../default-slots.ts';
import { untilAborted } from '../interrupt.ts';
import { agentOptionsOf, gpusOf, type MachineOptions } from '../options/machine-options.ts';
import { olderAgentSettings } from '../options/older-agent-environment.ts';

export interface AgentCommandOptions extends MachineOptions {
  readonly name?: string;
  readonly logLevel?: string;
  readonly apiPort?: number;
  readonly apiHost?: string;
  readonly whenFull?: 'queue' | 'reject';
  /** Hosts to run jobs on instead of this machine. */
  readonly ssh?: readonly string[];
}

/** Runs an agent in the foreground until SIGINT or SIGTERM. */
export async function agentCommand(given: CliContext, asked: AgentCommandOptions): Promise<number> {
  const older = olderAgentSettings(process.env);
  for (const note of older.notes) given.err(`${note}\n`);
  const context = { ...given, url: given.url ?? older.url, token: given.token ?? older.token };
  const options: AgentCommandOptions = { ...older, ...asked };
  const { ssh } = options;
  if (ssh !== undefined) {
    const { agentOverSshCommand } = await import('./agent-over-ssh.ts');
    return agentOverSshCommand(context, { ...options, ssh });
  }
  const machine = agentOptionsOf(options);
  const { client, token } = await connect(context, { otherwise: 'fail' });
  const level = options.logLevel ?? (context.debug ? 'debug' : 'warn');
  const agent = createAgent({
    url: client.url,
    token,
    // Apart from the agent that `up` runs on the same data directory.
    dataDir: join(
      context.dataDir,
      options.name === undefined ? 'agent-alone' : `agent-${safe(options.name)}`,
    ),
    hostsDir: context.dataDir,
    name: options.name,
    ...machine,
    slots: machine.slots ?? defaultSlots(),
    gpus: await gpusOf(machine.gpus),
    log: pino({ level, base: null, name: 'agent' }, pino.destination(2)),
    env: jobEnvironment(older.token),
    api: apiOf(options, process.env),
  });
  const finished = Promise.withResolvers<void>();
  const signals = guardAgentSignals({
    onLeave: () =>
      context.err(
        'Stopping. Running jobs go on; an agent that starts on this data directory within a minute takes them up again.\n',
      ),
    onDrain: () => {
      context.err(
        'Finishing what runs, taking nothing new. Another signal ends the jobs; they go on elsewhere.\n',
      );
      agent.drain().then(finished.resolve, finished.reject);
    },
    onPreempt: () => agent.preempt(),
  });
  context.err(`Connecting to ${client.url}. Ctrl-C stops.\n`);
  try {
    const started = agent.start().then(() => 'ready' as const);
    const left = Promise.race([untilAborted(signals.leave), finished.promise, agent.drained]);
    const first = await Promise.race([started, left]);
    const { id, apiUrl } = agent;
    if (first === 'ready' && !signals.leave.aborted) {
      if (apiUrl !== undefined) context.err(`Its own routes are at ${apiUrl}.\n`);
      context.out(context.json ? `${JSON.stringify({ id, apiUrl })}\n` : `ready ${id}\n`);
    }
    await left;
    started.catch(() => undefined);
    if (!signals.leave.aborted) tellUnreported(context, agent.held.length);
  } finally {
    await agent.stop();
    signals.release();
  }
  return EXIT.ok;
}

function tellUnreported(context: CliContext, count: number): void {
  if (count === 0) return;
  context.err(
    `The server is away: of ${count} ${count === 1 ? 'job' : 'jobs'} it does not know the end. The next agent on this data directory reports it.\n`,
  );
}

/** Jobs inherit the environment, but not the key of the agent that the older name for it holds. */
function jobEnvironment(token: string | undefined): AgentOptions['env'] {
  if (token === undefined) return undefined;
  const { API_KEY: _, ...rest } = process.env;
  return rest;
}

/** The token is never an option: it would be seen by others on the machine. */
function apiOf(
  { apiPort, apiHost, whenFull }: AgentCommandOptions,
  env: Readonly<Record<string, string | undefined>>,
): AgentOptions['api'] {
  if (apiPort === undefined) return undefined;
  const token = env['TRAINYARD_AGENT_API_TOKEN'];
  return {
    port: apiPort,
    ...(apiHost === undefined ? {} : { host: apiHost }),
    ...(token === undefined || token === '' ? {} : { token }),
    ...(whenFull === undefined ? {} : { whenFull }),
  };
}

function safe(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_.-]/g, '_');
}
