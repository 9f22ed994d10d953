import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasSshd, SshTestServer } from '../../packages/agent/src/testing/ssh-server.ts';
import { runTrainyard } from '../support/run-trainyard.ts';

let dir: string;
let host: SshTestServer;

beforeAll(async () => {
  if (!hasSshd) return;
  dir = mkdtempSync(join(tmpdir(), 'trainyard-hosts-'));
  host = await SshTestServer.start();
});
afterAll(async () => {
  await host?.remove();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const dataDir = () => join(dir, 'data');
const hosts = (args: readonly string[], env: Record<string, string> = {}) =>
  runTrainyard(['hosts', ...args, '--data-dir', dataDir()], { env });
const add = (name: string, ...more: string[]) =>
  hosts(['add', name, 'box', '--ssh-config', host.configFile, '--working-dir', join(dir, 'host'), ...more]);
const listed = async () => JSON.parse((await hosts(['list', '--json'])).stdout) as Record<string, unknown>[];

describe.skipIf(!hasSshd)('trainyard hosts', () => {
  it('adds a host that answers, lists, tests and removes it', async () => {
    expect(
      await add('gpu1', '--unwatched-for', 'off', '--queue', 'train', '--queue', 'default'),
    ).toMatchObject({
      code: 0,
      stdout: 'gpu1 added\n',
    });
    expect(await listed()).toMatchObject([
      {
        name: 'gpu1',
        host: 'box',
        slots: 1,
        gpus: 0,
        queues: ['train', 'default'],
        connectTimeoutSeconds: 30,
        commandTimeoutSeconds: 3600,
      },
    ]);
    const tested = await hosts(['test', 'gpu1', '--json']);
    expect(JSON.parse(tested.stdout)).toMatchObject({
      name: 'gpu1',
      workingDir: join(dir, 'host'),
      gpus: [],
    });
    const limit = async () => (await listed())[0]!['unwatchedForSeconds'];
    expect(await limit()).toBeUndefined();
    for (const [text, seconds] of [
      ['6h', 21_600],
      ['90', 90],
      ['off', undefined],
    ] as const) {
      expect(await hosts(['set', 'gpu1', '--unwatched-for', text])).toMatchObject({ code: 0 });
      expect(await limit()).toBe(seconds);
    }
    expect(await hosts(['set', 'gpu1', '--unwatched-for', '5s'])).toMatchObject({ code: 2 });
    expect(await hosts(['set', 'gpu1'])).toMatchObject({ code: 2 });
    expect(await hosts(['remove', 'gpu1'])).toMatchObject({ code: 0 });
    expect(await listed()).toEqual([]);
    const gone = await hosts(['test', 'gpu1']);
    expect(gone).toMatchObject({ code: 3, stderr: expect.stringContaining('no host "gpu1"') });
  }, 60_000);

  it('counts the GPUs that nvidia-smi shows, and gives each a slot', async () => {
    const bin = mkdtempSync(join(dir, 'bin-'));
    const rows = [
      '0, GPU-a, NVIDIA A100, 81920, 10, 0',
      '1, GPU-b, NVIDIA A100, [N/A], [N/A], [N/A]',
      'No devices',
    ];
    writeFileSync(
      join(bin, 'nvidia-smi'),
      `#!/bin/sh\nprintf '%s\\n' ${rows.map((row) => `'${row}'`).join(' ')}\n`,
    );
    chmodSync(join(bin, 'nvidia-smi'), 0o755);
    const own = await SshTestServer.start({ SetEnv: `PATH=${bin}:/usr/local/bin:/usr/bin:/bin` });
    try {
      const added = await hosts([
        'add',
        'two',
        'box',
        '--ssh-config',
        own.configFile,
        '--working-dir',
        join(dir, 'two'),
      ]);
      expect(added).toMatchObject({ code: 0, stderr: expect.stringContaining('NVIDIA A100') });
      expect(await listed()).toMatchObject([{ name: 'two', gpus: 2, slots: 2 }]);
    } finally {
      await own.remove();
      await hosts(['remove', 'two']);
    }
  }, 60_000);

  it('keeps a password sealed and never shows it', async () => {
    const password = 'correct horse';
    const added = await hosts(['add', 'old', 'anna@old.example:2222', '--password-env', 'PW', '--no-test'], {
      PW: password,
    });
    expect(added.code).toBe(0);
    const [shown] = await listed();
    expect(shown).toMatchObject({
      name: 'old',
      user: 'anna',
      host: 'old.example',
      port: 2222,
      password: '***',
    });
    expect((await hosts(['list'])).stdout).toContain('***');
    for (const name of readdirSync(dataDir())) {
      const path = join(dataDir(), name);
      if (statSync(path).isFile()) expect(readFileSync(path, 'latin1')).not.toContain(password);
    }
    for (const name of ['hosts.json', 'hosts.key'])
      expect(statSync(join(dataDir(), name)).mode & 0o077).toBe(0);
    await hosts(['remove', 'old']);
  });

  it('refuses a host whose key is not known, shows the key, and takes it when it is given', async () => {
    const direct = [
      `${host.user}@127.0.0.1:${host.port}`,
      '--identity',
      host.identityFile,
      '--working-dir',
      join(dir, 'host'),
    ];
    const refused = await hosts(['add', 'new', ...direct]);
    expect(refused).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining(host.fingerprint) });
    expect(await listed()).toEqual([]);
    expect(await hosts(['add', 'new', ...direct, '--host-key', host.fingerprint])).toMatchObject({ code: 0 });
    await hosts(['remove', 'new']);
  }, 60_000);

  it.each([
    [['add', 'bad name', 'box'], 2, 'cannot name a host'],
    [['add', 'x', '-oProxyCommand=id'], 2, ''],
    [['add', 'x', 'a b'], 2, 'is no address'],
    [['add', 'x', 'box', '--slots', '0'], 2, 'slots'],
    [['add', 'x', 'nobody@127.0.0.1:9'], 6, 'cannot be reached'],
    [['get', 'x', '/etc/passwd'], 3, 'no host'],
  ])(
    'answers %j with exit code %i and stores nothing',
    async (args, code, text) => {
      const answer = await hosts(args);
      expect(answer).toMatchObject({ code, stderr: expect.stringContaining(text) });
      expect(await listed()).toEqual([]);
    },
    60_000,
  );
});
