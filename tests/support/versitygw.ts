import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MODULE = 'github.com/versity/versitygw/cmd/versitygw';
const VERSION = 'v1.8.0';
const BUILD_MS = 1_200_000;
const START_MS = 20_000;

/** An S3 server on a directory, which checks every signature. */
export interface S3Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

/** Versity's S3 gateway, built once a machine. @param root directory whose directories are the buckets */
export async function startS3Server(root: string): Promise<S3Server> {
  const program = versitygw();
  const port = await freePort();
  const keys = { accessKeyId: 'trainyard', secretAccessKey: 'trainyard-secret' };
  const child = spawn(
    program,
    [
      '--port',
      `127.0.0.1:${port}`,
      '--access',
      keys.accessKeyId,
      '--secret',
      keys.secretAccessKey,
      '--quiet',
      'posix',
      root,
    ],
    { stdio: 'ignore' },
  );
  const endpoint = `http://127.0.0.1:${port}`;
  const ended = once(child, 'exit');
  for (const deadlineMs = Date.now() + START_MS; ; ) {
    const answer = await fetch(endpoint).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer !== undefined) break;
    if (child.exitCode !== null || Date.now() > deadlineMs) throw new Error('the S3 server did not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    endpoint,
    ...keys,
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function versitygw(): string {
  const dir = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), `trainyard-versitygw-${VERSION}`);
  const program = join(dir, 'versitygw');
  if (existsSync(program)) return program;
  mkdirSync(dir, { recursive: true });
  execFileSync('go', ['install', `${MODULE}@${VERSION}`], {
    env: { ...process.env, GOBIN: dir, GOFLAGS: '-p=2' },
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: BUILD_MS,
  });
  return program;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
