import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const READY_TIMEOUT_MS = 20_000;
const READY_POLL_MS = 20;

/** A Redis on a unix socket that writes every change to disk before it answers. */
export async function startRedis(
  program: string,
  directory: string,
): Promise<{ readonly socket: string; readonly stop: () => Promise<void> }> {
  const socket = join(directory, 'redis.sock');
  const settings = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
  const child = spawn(program, ['--port', '0', '--unixsocket', socket, '--dir', directory, ...settings], {
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  const endAt = performance.now() + READY_TIMEOUT_MS;
  while (!(await answers(socket))) {
    if (performance.now() > endAt || child.exitCode !== null) {
      await stop();
      throw new Error(`Redis did not answer within ${READY_TIMEOUT_MS / 1000} s`);
    }
    await delay(READY_POLL_MS);
  }
  return { socket, stop };
}

async function answers(socket: string): Promise<boolean> {
  const connection = connect(socket);
  try {
    await once(connection, 'connect');
    connection.write('PING\r\n');
    const [answer] = (await once(connection, 'data')) as [Buffer];
    return answer.toString().startsWith('+PONG');
  } catch {
    return false;
  } finally {
    connection.destroy();
  }
}
