import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent } from '@trainyard/agent';
import { type RunningServer, startServer } from '@trainyard/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

let dir: string;
let server: RunningServer;
let agent: Agent;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-queues-'));
  server = await startServer({ dataDir: join(dir, 'data'), logLevel: 'error' });
  agent = createAgent({
    url: server.url,
    token: server.agentToken,
    dataDir: join(dir, 'agent'),
    queues: [
      { name: 'training', slots: 1 },
      { name: 'short', slots: 2 },
    ],
    log: quiet,
  });
  await agent.start();
});
afterAll(async () => {
  await agent?.stop();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('queues with slots of their own', () => {
  it('let short jobs through while a long one runs and another waits', async () => {
    const { post, tree } = api(server.url);
    const submit = async (name: string, queue: string, command: string) => {
      const job = { command, queue, workingDir: dir };
      return (
        await post<{ id: string }>('/api/v1/runs', { definition: { name, stages: [{ name: 's', job }] } })
      ).id;
    };
    const first = await submit('first', 'training', 'touch first; until [ -e go ]; do sleep 0.05; done');
    await until('the long job runs', async () => existsSync(join(dir, 'first')));
    const second = await submit('second', 'training', 'touch second');
    const shorts = await Promise.all(
      Array.from({ length: 5 }, (_, at) => submit(`short-${at}`, 'short', 'true')),
    );
    for (const id of shorts) {
      await until('a short job', async () => (await tree(id)).status === 'completed');
    }
    expect((await tree(first)).status).toBe('running');
    expect((await tree(second)).children[0]!.status).toBe('queued');
    expect(existsSync(join(dir, 'second'))).toBe(false);
    writeFileSync(join(dir, 'go'), '');
    await until('the second long job', async () => (await tree(second)).status === 'completed');
    expect((await tree(first)).status).toBe('completed');
  });
});
