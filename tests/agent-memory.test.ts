import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { memoryOf } from '../bench/process-memory.ts';
import { startTrainyard } from './support/trainyard-process.ts';

it.runIf(process.platform === 'linux')(
  'an agent loads little and holds little memory, from its first start on',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'trainyard-memory-'));
    const asked = Promise.withResolvers<void>();
    // Not ready for anybody: what is measured is an agent that has loaded all it needs and asks its server.
    const server = createServer((_request, response) => {
      response.writeHead(503).end();
      asked.resolve();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const agent = startTrainyard(['agent', '--url', `http://127.0.0.1:${port}`, '--data-dir', dir], {
      XDG_CACHE_HOME: dir,
    });
    try {
      await asked.promise;
      expect(readFileSync(`/proc/${agent.pid}/cmdline`, 'utf8')).toContain('--max-semi-space-size=1');
      // Of its own it takes 35 MB, also the first time, when no compiled code is kept yet: with what strips types it would
      // be 47, with the modules of a server or undici 60 to 105.
      expect(memoryOf(agent.pid).own).toBeLessThan(43);
    } finally {
      await agent.kill('SIGKILL');
      server.close();
      server.closeAllConnections();
      await rm(dir, { recursive: true, force: true });
    }
  },
);
