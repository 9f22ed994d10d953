import { EXIT, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { guardInterrupts, untilAborted } from '../interrupt.ts';
import { agentOptionsOf, givenMachineOptions, type MachineOptions } from '../options/machine-options.ts';
import { startPlatform } from '../platform.ts';

export interface UpOptions extends MachineOptions {
  readonly host?: string;
  readonly port: number;
  /** False for `--no-agent`. */
  readonly agent: boolean;
  readonly databaseUrl?: string;
  readonly config?: string;
  readonly logLevel?: string;
  readonly maxDepth?: number;
  readonly datasetsDir?: readonly string[];
  /** True for the option without hosts. */
  readonly allowPrivateWebhooks?: true | readonly string[];
}

/** Runs the platform in the foreground until SIGINT or SIGTERM. */
export async function upCommand(context: CliContext, options: UpOptions): Promise<number> {
  const agent = builtInAgent(options);
  const guard = guardInterrupts(() =>
    context.err('Stopping. Running jobs go on and are taken up again by the next start.\n'),
  );
  const platform = await startPlatform({
    dataDir: context.dataDir,
    databaseUrl: options.databaseUrl ?? context.databaseUrl,
    host: options.host,
    port: options.port,
    logLevel: options.logLevel ?? (context.debug ? 'debug' : undefined),
    maxDepth: options.maxDepth ?? context.maxDepth,
    privateWebhookHosts: options.allowPrivateWebhooks === true ? 'all' : options.allowPrivateWebhooks,
    configFile: options.config ?? context.configFile,
    datasetsDirs: options.datasetsDir,
    agent,
  });
  try {
    await Promise.race([platform.agentStarted, untilAborted(guard.signal)]);
    if (!guard.signal.aborted) {
      context.out(`ready ${platform.url}\n`);
      context.err(
        `Data in ${context.dataDir}. Open ${addressHere(platform.url)} in a browser. Ctrl-C stops.\n`,
      );
      if (platform.isOpen) {
        context.err('No tokens exist: whoever can reach this port on this machine may use it.\n');
      }
    }
    await untilAborted(guard.signal);
  } finally {
    await platform.stop();
    guard.release();
  }
  return EXIT.ok;
}

/** @throws TrainyardError USAGE for options of an agent that is not wanted */
function builtInAgent(options: UpOptions) {
  if (options.agent) return agentOptionsOf(options);
  const given = givenMachineOptions(options);
  if (given.length === 0) return undefined;
  throw new TrainyardError(
    'USAGE',
    `${given.join(', ')} cannot be used with --no-agent: there is no agent here that would follow it.`,
  );
}

/** An address that a browser on this machine can open: "any address" is none that can be gone to. */
export function addressHere(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}
