import { startTestServers } from '../../packages/server/src/testing/test-servers.ts';

/** Vitest's global setup: one PostgreSQL of each supported kind for all test files of the run. */
export default async function setup(): Promise<() => Promise<void>> {
  const servers = await startTestServers();
  return async () => {
    await servers.stop();
    for (const reason of servers.missing) console.warn(`SKIPPED suites: ${reason}`);
  };
}
