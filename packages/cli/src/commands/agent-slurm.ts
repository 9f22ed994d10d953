import { join } from 'node:path';
import { createSlurmAgent, HostsFile, slurmSettings, sshTargetOf } from '@trainyard/agent';
import { EXIT, TrainyardError } from '@trainyard/protocol';
import { pino } from 'pino';
import type { CliContext } from '../cli-context.ts';
import { connect } from '../connection.ts';
import { guardInterrupts, untilAborted } from '../interrupt.ts';
import { type JournalOptions, journalLimits } from '../options/journal-options.ts';

export interface SlurmAgentCommandOptions extends JournalOptions {
  readonly host?: string;
  readonly partition?: string;
  readonly account?: string;
  readonly qos?: string;
  readonly option?: readonly string[];
  readonly workingDir?: string;
  readonly condaEnv?: string;
  readonly warn?: number;
  readonly slots?: number;
  readonly gpus?: number;
  readonly queue?: readonly string[];
  readonly logLevel?: string;
}

/** Runs jobs in a Slurm cluster, in the foreground until SIGINT or SIGTERM. */
export async function slurmAgentCommand(
  context: CliContext,
  name: string,
  options: SlurmAgentCommandOptions,
): Promise<number> {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) {
    throw new TrainyardError(
      'USAGE',
      `"${name}" cannot name a cluster; use letters, digits, "_", "-" and ".".`,
    );
  }
  const settings = settingsOf(options);
  const target = options.host === undefined ? undefined : await loginNode(context, options.host);
  const { client, token } = await connect(context, { otherwise: 'fail' });
  const guard = guardInterrupts(() =>
    context.err(
      'Stopping. Jobs in Slurm go on; the next agent on this data directory takes them up again.\n',
    ),
  );
  const level = options.logLevel ?? (context.debug ? 'debug' : 'warn');
  const agent = createSlurmAgent({
    ...{ url: client.url, token, name, settings, target },
    dataDir: join(context.dataDir, `agent-slurm-${name}`),
    slots: options.slots,
    gpus: options.gpus,
    queues: options.queue,
    limits: journalLimits(options),
    log: pino({ level, base: null, name: 'agent' }, pino.destination(2)),
  });
  context.err(`Connecting to ${client.url}. Ctrl-C stops.\n`);
  try {
    const started = agent.start();
    await Promise.race([started, untilAborted(guard.signal)]);
    if (!guard.signal.aborted) {
      context.out(context.json ? `${JSON.stringify({ id: agent.id })}\n` : `ready ${agent.id}\n`);
      await untilAborted(guard.signal);
    }
    started.catch(() => undefined);
  } finally {
    await agent.stop();
    guard.release();
  }
  return EXIT.ok;
}

function settingsOf(options: SlurmAgentCommandOptions) {
  const { partition, account, qos, option, workingDir, condaEnv, warn } = options;
  const given = {
    ...{ partition, account, qos, options: option, workingDir, condaEnv },
    warnSeconds: warn,
  };
  const parsed = slurmSettings.safeParse(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TrainyardError(
    'USAGE',
    `The agent for Slurm cannot be started: "${issue?.path.join('.')}": ${issue?.message}.`,
  );
}

async function loginNode(context: CliContext, host: string) {
  const file = new HostsFile(context.dataDir);
  const config = (await file.read())[host];
  if (config === undefined) {
    throw new TrainyardError(
      'NOT_FOUND',
      `There is no host "${host}"; add it: trainyard hosts add ${host} [user@]address.`,
    );
  }
  return sshTargetOf(config, await file.revealer(process.env));
}
