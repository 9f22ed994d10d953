import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, createAgent } from './agent.ts';
import type { AgentOptions } from './agent-options.ts';
import { noopExecutor } from './noop-executor.ts';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from './testing/agent-peer.ts';
import { eventually } from './testing/eventually.ts';
import { silentLog } from './testing/silent-log.ts';

let peer: AgentPeer;
let dataDir: string;
const agents: Agent[] = [];

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dataDir = await mkdtemp(join(tmpdir(), 'trainyard-agent-'));
});

afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
  await peer.close();
  await rm(dataDir, { recursive: true, force: true });
});

async function startAgent(options: Partial<AgentOptions> = {}): Promise<Agent> {
  const agent = createAgent({ url: peer.url, dataDir, log: silentLog, ...options });
  agents.push(agent);
  await agent.start();
  return agent;
}

const finished = (attempt: PeerAttempt) => eventually('finish report', () => finishOf(attempt));

test('runs a job, delivers its output and metrics, and reports outputs', async () => {
  await startAgent();
  const job = peer.submit({
    params: { lr: 0.1 },
    command:
      'echo hello; echo warning >&2; cat "$TRAINYARD_PARAMS"; echo \'{"step":0,"loss":1}\' >> "$PLATFORM_METRICS_DIR"/"$TRAINYARD_RUN_ID"_metrics.jsonl; echo \'{"accuracy":0.9}\' > "$TRAINYARD_OUTPUTS"',
  });
  const finish = await finished(job);
  expect(finish).toMatchObject({
    outcome: 'completed',
    exitCode: 0,
    signal: null,
    error: null,
    cleanupError: null,
  });
  expect(finish.outputs).toEqual({ accuracy: 0.9 });
  expect(streamOf(job, 'log').toString()).toBe('hello\nwarning\n{"lr":0.1}');
  expect(streamOf(job, 'metrics').toString()).toBe('{"step":0,"loss":1}\n');
  expect(job.reports.map(({ kind }) => kind)).toEqual(['started', 'finished']);
});

test('completes attempts of the no-op executor without files', async () => {
  await startAgent({ executors: { noop: noopExecutor }, slots: 10 });
  const jobs = Array.from({ length: 50 }, () => peer.submit({ command: 'none', executor: 'noop' }));
  for (const job of jobs) expect((await finished(job)).outcome).toBe('completed');
});

test('keeps its id in the data directory', async () => {
  const first = await startAgent();
  const { agentId } = JSON.parse(await readFile(join(dataDir, 'agent.json'), 'utf8')) as { agentId: string };
  expect(first.id).toBe(agentId);
  await first.stop();
  const second = await startAgent();
  expect(second.id).toBe(agentId);
  expect(peer.registrations[1]?.agentId).toBe(agentId);
});
