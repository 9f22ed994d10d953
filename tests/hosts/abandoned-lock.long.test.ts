import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RemoteExecutor } from '../../packages/agent/src/remote/remote-executor.ts';
import { silentLog } from '../../packages/agent/src/testing/silent-log.ts';
import { startContext } from '../../packages/agent/src/testing/start-job.ts';
import { LocalTransport } from '../../packages/agent/src/transport/local-transport.ts';

/** Takes the time that a start may take on a slow host, twice. */
test('a lock that nobody who started left behind on a host is a failed start', async () => {
  const root = mkdtempSync(join(tmpdir(), 'trainyard-abandoned-'));
  mkdirSync(join(root, 'code'));
  const executor = new RemoteExecutor({
    ...{ name: 'ssh:box', transport: new LocalTransport(), log: silentLog, pollMs: 200 },
    workingDir: join(root, 'host'),
  });
  try {
    const given = startContext(root, 'echo started', { workingDir: join(root, 'code') });
    const dir = join(root, 'host/attempts', given.spec.attemptId);
    mkdirSync(join(dir, 'pid.lock'), { recursive: true });
    const attempt = await executor.start(given);
    expect(await attempt.waitForExit(new AbortController().signal)).toMatchObject({
      kind: 'vanished',
      error: { code: 'process_vanished' },
    });
    const output = join(dir, 'output.log');
    expect(existsSync(output) ? readFileSync(output, 'utf8') : '').toBe('');
  } finally {
    await executor.close();
    rmSync(root, { recursive: true, force: true });
  }
}, 60_000);
