import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentInfo, RunTree } from '@trainyard/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

let dir: string;
const agents: TrainyardProcess[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-refused-'));
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.kill('SIGKILL');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function startAgent(name: string, args: readonly string[], env: Record<string, string> = {}) {
  const agent = startTrainyard(['agent', '--data-dir', join(dir, name), ...args], env);
  agents.push(agent);
  return agent;
}
const says = (agent: TrainyardProcess, text: string) =>
  until(text, async () => agent.stderr().includes(text));

describe('an address that no server can have', () => {
  it('is a usage error that names the address, but no password', async () => {
    const urls = ['ftp://x', 'localhost:7070', 'nonsense', 'http://anna:secret@host'];
    await Promise.all(
      urls.map(async (url) => {
        const agent = startAgent('nonsense', ['--url', url]);
        expect((await agent.exited).code).toBe(2);
        expect(agent.stderr()).toMatch(/The address of the server .*http:\/\/train\.example:7070/);
        expect(agent.stderr()).not.toContain('secret');
      }),
    );
  });
});

describe('an agent without a server', () => {
  let silent: Server;
  let port: number;
  beforeAll(async () => {
    // Takes connections and never answers.
    silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    port = (silent.address() as { port: number }).port;
  });
  afterAll(() => silent.close());

  it('ends at the first SIGTERM: where nothing listens, where no answer comes, and where the name is unknown', async () => {
    const urls = ['http://127.0.0.1:9', `http://127.0.0.1:${port}`, 'http://no-such-host.invalid:7070'];
    await Promise.all(
      urls.map(async (url, at) => {
        const agent = startAgent(`none-${at}`, ['--url', url]);
        await says(agent, 'Connecting to');
        const ended = agent.kill('SIGTERM');
        expect(await Promise.race([agent.exited, late()])).toMatchObject({ code: 0 });
        await ended;
        expect(agent.stderr()).toContain('Finishing what runs');
      }),
    );
  });
});

describe('an agent whose token is refused', () => {
  let server: TrainyardProcess;
  let url: string;
  let token: string;
  let id: string;
  let admin: string;
  beforeAll(async () => {
    server = startTrainyard(['up', '--no-agent', '--port', '0', '--data-dir', join(dir, 'data')]);
    url = (await server.line(/^ready (http:\S+)$/))[1]!;
    const make = (scopes: string[]) =>
      api(url).post<{ id: string; token: string }>('/api/v1/tokens', { name: scopes[0], scopes });
    // From the first token on every call needs one.
    admin = (await make(['admin'])).token;
    ({ id, token } = await withToken<{ id: string; token: string }>('POST', '/api/v1/tokens', {
      name: 'agent',
      scopes: ['agent'],
    }));
  });
  afterAll(() => server.kill('SIGTERM'));

  async function withToken<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${admin}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  it('ends with exit code 4 at its first start, here and over SSH', async () => {
    const none = startAgent('unknown-1', ['--url', url]);
    const unknown = startAgent('unknown-2', ['--url', url], { TRAINYARD_TOKEN: 'tyu_unknown' });
    const overSsh = startAgent('unknown-3', ['--url', url, '--ssh', '127.0.0.1:9'], {
      TRAINYARD_TOKEN: 'tyu_unknown',
    });
    for (const agent of [none, unknown, overSsh]) {
      expect((await agent.exited).code).toBe(4);
      expect(agent.stderr()).toMatch(/error: .*token/);
    }
  });

  it('shows as draining from the first SIGTERM on, while it finishes its job', async () => {
    const agent = startAgent('leaves', ['--url', url, '--queue', 'leaves'], { TRAINYARD_TOKEN: token });
    await agent.line(/^ready (agt_\S+)$/);
    const job = { command: 'until [ -e leave ]; do sleep 0.05; done', workingDir: dir, queue: 'leaves' };
    const { id: run } = await withToken<{ id: string }>('POST', '/api/v1/runs', {
      definition: { name: 'last', stages: [{ name: 's', job }] },
    });
    const tree = () => withToken<RunTree>('GET', `/api/v1/runs/${run}/tree`);
    await until('the job runs', async () => (await tree()).children[0]!.status === 'running');
    const ended = agent.kill('SIGTERM');
    await until('it shows as draining', async () => {
      const { items } = await withToken<{ items: AgentInfo[] }>('GET', '/api/v1/agents');
      return items.some(({ draining, queues }) => draining && queues.includes('leaves'));
    });
    expect((await tree()).children[0]!.status).toBe('running');
    writeFileSync(join(dir, 'leave'), '');
    await ended;
    expect(await agent.exited).toMatchObject({ code: 0 });
    expect((await tree()).status).toBe('completed');
  });

  it('that was taken before keeps its job and goes on trying; with a good token the next one reports it', async () => {
    const env = { TRAINYARD_TOKEN: token };
    const first = startAgent('known', ['--url', url], env);
    await first.line(/^ready (agt_\S+)$/);
    const job = { command: 'touch runs; until [ -e go ]; do sleep 0.05; done; echo done', workingDir: dir };
    const run = await withToken<{ id: string }>('POST', '/api/v1/runs', {
      definition: { name: 'kept', stages: [{ name: 's', job }] },
    });
    await until('the job runs', async () => existsSync(join(dir, 'runs')));
    await first.kill('SIGINT');
    await withToken('DELETE', `/api/v1/tokens/${id}`);
    const second = startAgent('known', ['--url', url], env);
    await says(second, 'the server refuses this agent, which it took before');
    expect(second.stderr().match(/refuses this agent/g)).toHaveLength(1);
    writeFileSync(join(dir, 'go'), '');
    await second.kill('SIGINT');
    const other = await withToken<{ token: string }>('POST', '/api/v1/tokens', {
      name: 'new',
      scopes: ['agent'],
    });
    const third = startAgent('known', ['--url', url], { TRAINYARD_TOKEN: other.token });
    const { status, children } = await until('the end of the run', async () => {
      const tree = await withToken<RunTree>('GET', `/api/v1/runs/${run.id}/tree`);
      return tree.endedAt !== null && tree;
    });
    expect([status, children[0]!.attempt]).toEqual(['completed', 1]);
    await third.kill('SIGTERM');
    expect(await third.exited).toMatchObject({ code: 0 });
  });
});

function late(): Promise<string> {
  return new Promise((resolve) => setTimeout(resolve, 30_000, 'still there').unref());
}
