import { readFile, rm, writeFile } from 'node:fs/promises';
import { attemptFiles } from '@trainyard/protocol';
import { readAttempt } from '../attempt/attempt-state.ts';
import { localExecutor } from '../local/local-executor.ts';
import { isServerGone } from './is-server-gone.ts';

/**
 * Ends programs in the place of their agent, at once and without a grace time, and notes in their directories that
 * this was done. Arguments: the agent's data directory, the address of its server, ids of attempts. Exit code: see
 * `GUARD_SCRIPT`.
 */
const [dataDir = '', url = '', ...attemptIds] = process.argv.slice(2);

const SAFE = 3;

const agentFile = await readFile(`${dataDir}/agent.json`, 'utf8').catch(() => '{}');
// An embedded database serves one server only: while that is down, nobody gives the work to another agent.
if (/"database":\s*"embedded"/.test(agentFile) && (await isServerGone(url))) process.exit(SAFE);
await Promise.all(attemptIds.map(end));

async function end(attemptId: string): Promise<void> {
  const dir = `${dataDir}/attempts/${attemptId}`;
  const found = await readAttempt(attemptFiles(dir, ''));
  if (found === undefined) return;
  const files = attemptFiles(dir, found.spec.runId);
  const running = await localExecutor.adopt(files, found.spec);
  if (running === undefined) return;
  // Before the signal, so that the agent never takes this end for one by the program itself.
  if (running.alive()) await writeFile(files.leaseEnded, '');
  if (!(await running.cancel({ graceMs: 0 }))) await rm(files.leaseEnded, { force: true });
  await running.cleanUp();
}
