import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@trainyard/protocol';
import { describe, expect, test } from 'vitest';
import { RemoteExecutor } from '../../packages/agent/src/remote/remote-executor.ts';
import { silentLog } from '../../packages/agent/src/testing/silent-log.ts';
import { hasSshd, SshTestServer } from '../../packages/agent/src/testing/ssh-server.ts';
import { startContext } from '../../packages/agent/src/testing/start-job.ts';
import { SshTransport } from '../../packages/agent/src/transport/ssh-transport.ts';

describe.skipIf(!hasSshd)('an attempt that is to start on a host', () => {
  test('does not while something of an earlier one there cannot be ended, and says so', async () => {
    const runId = newId('run');
    const root = mkdtempSync(join(tmpdir(), 'trainyard-fence-'));
    mkdirSync(join(root, 'code'));
    const server = await SshTestServer.start();
    const executor = new RemoteExecutor({
      ...{ name: 'ssh:box', transport: new SshTransport(server.target, { key: root }) },
      ...{ workingDir: join(root, 'host'), log: silentLog },
    });
    // As if it was beyond the reach of signals: it comes again as soon as it is killed.
    const again = 'while :; do TRAINYARD_RUN_ID=$0 TRAINYARD_ATTEMPT=1 sleep 300; done';
    const loop = spawn('sh', ['-c', again, runId], { detached: true, stdio: 'ignore' });
    try {
      const given = startContext(root, 'echo second', { workingDir: join(root, 'code') });
      const next = { ...given, spec: { ...given.spec, runId, number: 2 } };
      await expect(executor.start(next)).rejects.toMatchObject({
        runError: { code: 'earlier_attempt_lives', message: expect.stringMatching(/still lives: \d+/) },
      });
      expect(readdirSync(join(root, 'host/attempts', given.spec.attemptId))).toEqual(['work']);
    } finally {
      process.kill(-loop.pid!, 'SIGKILL');
      await executor.close();
      await server.remove();
      rmSync(root, { recursive: true, force: true });
    }
  }, 60_000);
});
