import { createAgent } from '../agent.ts';
import type { AgentTiming } from '../agent-options.ts';
import type { JournalLimits } from '../stream/journal-limits.ts';

/**
 * An agent in a process of its own, for tests that kill or measure it: arguments are the url, the data
 * directory and, if wanted, the limits of what jobs write and the times of the agent, as JSON.
 * Prints "ready" once it has registered.
 */
const [url, dataDir, limits = '{}', timing = '{}'] = process.argv.slice(2);
if (url === undefined || dataDir === undefined)
  throw new Error('usage: agent-process.ts URL DATA_DIR [LIMITS] [TIMING]');
const agent = createAgent({
  ...{ url, dataDir, slots: 4 },
  limits: JSON.parse(limits) as Partial<JournalLimits>,
  timing: JSON.parse(timing) as Partial<AgentTiming>,
});
await agent.start();
process.stdout.write('ready\n');
