import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Attempt } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasSshd, SshTestServer } from '../../packages/agent/src/testing/ssh-server.ts';
import { api, until } from '../support/api.ts';
import { stageOf } from '../support/platform.ts';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

let dir: string;
let host: SshTestServer;
let url: string;
let platform: TrainyardProcess | undefined;

beforeAll(async () => {
  if (!hasSshd) return;
  dir = mkdtempSync(join(tmpdir(), 'trainyard-host-away-'));
  mkdirSync(join(dir, 'code'));
  host = await SshTestServer.start();
  const dataDir = ['--data-dir', join(dir, 'data')];
  const options = ['--ssh-config', host.configFile, '--working-dir', join(dir, 'host'), '--slots', '2'];
  const added = await runTrainyard(['hosts', 'add', 'box', 'box', ...options, ...dataDir]);
  expect(added).toMatchObject({ code: 0, stdout: 'box added\n' });
  // With the agent of the host beside it.
  platform = startTrainyard(['up', '--port', '0', ...dataDir]);
  url = (await platform.line(/^ready (http:\S+)$/))[1]!;
}, 60_000);

afterAll(async () => {
  await platform?.kill('SIGTERM');
  await host?.remove();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const ended = (id: string) => api(url).ended(id, 90_000);
const attempts = async (runId: string) =>
  (await api(url).get<{ items: Attempt[] }>(`/api/v1/runs/${runId}/attempts`)).items;

describe.skipIf(!hasSshd)('a job over SSH', () => {
  it('is told to run on while its host is away, and a pause to be asked for only, until it is back', async () => {
    const stages = [
      { name: 'there', job: { command: 'echo ready; sleep 300', workingDir: 'code', executor: 'ssh' } },
    ];
    const body = { definition: { name: 'away', stages }, baseDir: dir };
    const { id } = await api(url).post<{ id: string }>('/api/v1/runs', body);
    const run = stageOf(await api(url).tree(id), 'there');
    await until('ready', async () => (await api(url).text(`/api/v1/runs/${run.id}/log`)).includes('ready'));
    const cli = async (...args: string[]) => runTrainyard(args, { env: { TRAINYARD_URL: url } });
    await host.stop();
    try {
      // Heartbeats tell it, one each 20 s.
      await until('it is told', async () => (await attempts(run.id))[0]?.unreachableSince != null, 40_000);
      const shown = (await cli('runs', 'show', id)).stdout;
      expect(shown).toMatch(
        /its host box cannot be reached since 20.*taken to run on there, nothing is handed out/,
      );
      expect(shown).not.toContain('has not been heard of');
      const paused = await cli('runs', 'pause', id, '--mode', 'freeze');
      expect([paused.code, paused.stdout]).toEqual([0, `${id} pausing\n`]);
      expect(paused.stderr).toMatch(
        /^there: pausing: it was asked to stand still \(freeze\).*; its host box cannot/m,
      );
      expect((await cli('runs', 'show', id)).stdout).toMatch(
        /status +pausing, 1 job does not stand still yet/,
      );
    } finally {
      await host.listen();
    }
    await until(
      'it stands still',
      async () => stageOf(await api(url).tree(id), 'there').status === 'paused',
      60_000,
    );
    expect((await cli('runs', 'show', id)).stdout).toMatch(/status +paused\n/);
    expect((await cli('runs', 'cancel', id)).code).toBe(0);
    expect((await ended(id)).status).toBe('cancelled');
    expect(await attempts(run.id)).toHaveLength(1);
  }, 180_000);
});
