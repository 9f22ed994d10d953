import { createAgent } from '../agent.ts';
import type { AgentTiming } from '../agent-options.ts';
import { createHostAgent, type HostAgentOptions } from '../hosts/host-agent.ts';
import type { JournalLimits } from '../stream/journal-limits.ts';

/** Of whom an agent is to be: `config` and `target` as in `HostAgentOptions`. */
export type TestHost = Pick<HostAgentOptions, 'name' | 'config' | 'target'>;

/**
 * An agent in a process of its own, for tests that kill or measure it: arguments are the url, the data
 * directory and, if wanted, the limits of what jobs write, the times of the agent and the host that it is for, as JSON.
 * Prints "ready" once it has registered.
 */
const [url, dataDir, limits = '{}', timing = '{}', host] = process.argv.slice(2);
if (url === undefined || dataDir === undefined)
  throw new Error('usage: agent-process.ts URL DATA_DIR [LIMITS] [TIMING] [HOST]');
const options = {
  ...{ url, dataDir, slots: 4 },
  limits: JSON.parse(limits) as Partial<JournalLimits>,
  timing: JSON.parse(timing) as Partial<AgentTiming>,
};
const agent =
  host === undefined
    ? createAgent(options)
    : createHostAgent({ ...options, ...(JSON.parse(host) as TestHost) });
await agent.start();
process.stdout.write('ready\n');
