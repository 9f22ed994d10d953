import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAgent } from '../agent.ts';
import { noopExecutor } from '../local/noop-executor.ts';
import { AgentPeer, finishOf } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';

const SLOTS = 10;
/** As in held-attempts.ts. */
const MAX_WITHOUT_SLOT = 256;

test('an agent asks for no work while the reports of too many that have ended are not taken', async () => {
  const peer = new AgentPeer();
  await peer.listen();
  const dataDir = await mkdtemp(join(tmpdir(), 'trainyard-held-'));
  const reports = Promise.withResolvers<void>();
  peer.reportsMayPass = reports.promise;
  const executors = { noop: noopExecutor };
  const agent = createAgent({ url: peer.url, dataDir, log: silentLog, executors, slots: SLOTS });
  await agent.start();
  try {
    const jobs = Array.from({ length: 400 }, () => peer.submit({ command: 'none', executor: 'noop' }));
    await eventually('as many as may wait', () => agent.held.length > MAX_WITHOUT_SLOT);
    // Were it to ask on, it would long have all 400 by then.
    const { heartbeats } = peer;
    await eventually('some heartbeats', () => peer.heartbeats > heartbeats + 3);
    expect(peer.assigned).toBeLessThanOrEqual(MAX_WITHOUT_SLOT + 2 * SLOTS);
    expect(jobs.every((job) => finishOf(job) === undefined)).toBe(true);
    reports.resolve();
    await eventually('end of all', () => jobs.every((job) => finishOf(job)?.outcome === 'completed'));
    expect(peer.assigned).toBe(jobs.length);
  } finally {
    reports.resolve();
    await agent.stop();
    await peer.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}, 30_000);
