import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ErrorBody, RunTree } from '@trainyard/protocol';
import { type RunningServer, type ServerOptions, startServer } from '../start-server.ts';
import { type TestDatabase, type TestEngine, testDatabase } from './databases.ts';
import { openLiveSocket, type TestLiveSocket } from './live-socket.ts';
import { registerScriptedAgent, type ScriptedAgent, type ScriptedAgentOptions } from './scripted-agent.ts';

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly headers: IncomingHttpHeaders;
  /** The body as it came. */
  readonly text: string;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as bearer token. */
  readonly token?: string | undefined;
  readonly signal?: AbortSignal;
}

export type Call = <T = ErrorBody>(
  method: string,
  path: string,
  body?: unknown,
  options?: CallOptions,
) => Promise<Answer<T>>;

/** A whole server on a test database, reached as its users reach it. */
export interface TestServer {
  readonly server: RunningServer;
  readonly place: TestDatabase;
  readonly dataDir: string;
  /**
   * Sends a request to a path such as `/api/v1/runs`. A string or Buffer is sent as it is, anything else as
   * JSON. Rejects only when no answer comes.
   */
  readonly call: Call;
  /** Submits a pipeline file; gives the id of its root run. */
  submit(source: string, body?: object): Promise<string>;
  tree(id: string): Promise<RunTree>;
  /** The tree as soon as `holds` holds for it. */
  treeWhen(id: string, holds: (tree: RunTree) => boolean): Promise<RunTree>;
  /** Registers an agent that does what the test says. */
  agent(options?: ScriptedAgentOptions): Promise<ScriptedAgent>;
  live(options?: { headers?: Record<string, string>; protocols?: string[] }): Promise<TestLiveSocket>;
  /** Another server on the same database. Ended with this one. */
  peer(options?: Partial<ServerOptions>): Promise<TestServer>;
  end(): Promise<void>;
}

/** Starts `startServer` on a schema of its own, port 0 and a directory of its own. */
export async function startTestServer(
  engine?: TestEngine,
  options: Partial<ServerOptions> = {},
): Promise<TestServer> {
  const place = await testDatabase(engine === undefined ? {} : { engine });
  const server = await startOn(place, options);
  return {
    ...server,
    async end() {
      await server.end();
      await place.drop();
    },
  };
}

async function startOn(place: TestDatabase, options: Partial<ServerOptions>): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'trainyard-server-'));
  const server = await startServer({
    dataDir,
    databaseUrl: place.url,
    schema: place.schema,
    logLevel: 'fatal',
    ...options,
  });
  const call = createCall(server.url);
  const closers: (() => Promise<void>)[] = [];
  const tree = async (id: string) => expectStatus(await call<RunTree>('GET', `/api/v1/runs/${id}/tree`), 200);

  return {
    server,
    place,
    dataDir,
    call,
    tree,
    async submit(source, body = {}) {
      return expectStatus(await call<{ id: string }>('POST', '/api/v1/runs', { source, ...body }), 201).id;
    },
    treeWhen: (id, holds) => eventually(async () => [await tree(id)].find(holds)),
    agent: (wanted = {}) => registerScriptedAgent(call, wanted),
    async live(wanted = {}) {
      const socket = await openLiveSocket(server.url, wanted);
      closers.push(() => socket.close());
      return socket;
    },
    async peer(wanted = {}) {
      const peer = await startOn(place, wanted);
      closers.push(() => peer.end());
      return peer;
    },
    async end() {
      for (const close of closers.reverse()) await close();
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Polls until `find` finds something, for at most ten seconds. */
export async function eventually<T>(find: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadlineMs = Date.now() + 10_000;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (Date.now() > deadlineMs) throw new Error('it did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function expectStatus<T>(answer: Answer<T>, status: number): T {
  if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.text}`);
  return answer.body;
}

function createCall(url: string): Call {
  return <T>(method: string, path: string, body?: unknown, options: CallOptions = {}) =>
    new Promise<Answer<T>>((resolve, reject) => {
      const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
      const payload = body === undefined || isRaw ? body : JSON.stringify(body);
      const request = httpRequest(
        new URL(path, url),
        {
          method,
          headers: {
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            // For DELETE, Node would send a body without saying that there is one.
            ...(payload === undefined || method !== 'DELETE'
              ? {}
              : { 'content-length': String(Buffer.byteLength(payload)) }),
            ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
            ...options.headers,
          },
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            const isJson = response.headers['content-type']?.includes('json') === true;
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              body: (isJson && text !== '' ? JSON.parse(text) : text) as T,
            });
          });
        },
      );
      request.on('error', reject);
      request.end(payload);
    });
}
