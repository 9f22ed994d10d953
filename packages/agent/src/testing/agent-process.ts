import { createAgent } from '../agent.ts';

/**
 * An agent in a process of its own, for tests that kill it: arguments are the url and the data directory.
 * Prints "ready" once it has registered.
 */
const [url, dataDir] = process.argv.slice(2);
if (url === undefined || dataDir === undefined) throw new Error('usage: agent-process.ts URL DATA_DIR');
const agent = createAgent({ url, dataDir, slots: 4 });
await agent.start();
process.stdout.write('ready\n');
