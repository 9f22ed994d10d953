import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { testExecutor } from '../testing/executor.testsuite.ts';
import { silentLog } from '../testing/silent-log.ts';
import { hasSshd, SshTestServer } from '../testing/ssh-server.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import type { Transport } from '../transport/transport.ts';
import { RemoteExecutor } from './remote-executor.ts';

function remoteExecutor(transport: Transport, workingDir: string): RemoteExecutor {
  return new RemoteExecutor({ name: 'ssh:box', transport, workingDir, log: silentLog, pollMs: 200 });
}

testExecutor('shell of this machine', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-host-'));
  return {
    open: () => remoteExecutor(new LocalTransport(), dir),
    close: async () => rmSync(dir, { recursive: true, force: true }),
  };
});

describe.skipIf(!hasSshd)('over a real sshd', () => {
  testExecutor('ssh', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'trainyard-host-'));
    const server = await SshTestServer.start();
    let opened = 0;
    return {
      open: () => {
        opened += 1;
        return remoteExecutor(new SshTransport(server.target, { key: `${process.pid} ${opened}` }), dir);
      },
      close: async () => {
        await server.remove();
        rmSync(dir, { recursive: true, force: true });
      },
    };
  });
});
