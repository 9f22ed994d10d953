import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelCheckpoint, RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasSshd, SshTestServer } from '../../packages/agent/src/testing/ssh-server.ts';
import { api } from '../support/api.ts';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

/** Checkpoints in its attempt, in the directory of the job, and where nobody may delete; the later the better. */
const PROGRAM = `
save() {
  [ -e "$2" ] || { mkdir -p "$2" && echo weights > "$2/model.bin"; }
  echo "{\\"path\\":\\"$2\\",\\"step\\":$1,\\"metrics\\":{\\"score\\":$1}}" >> "$TRAINYARD_ATTEMPT_DIR/checkpoints.jsonl"
}
save 0 "$SAVED/step-0"
save 1 "$OUTSIDE/step-1"
save 2 "$SAVED/linked"
save 3 "$SAVED/step-3"
save 4 "$TRAINYARD_ATTEMPT_DIR/step-4"
save 5 "$SAVED/step-5"
`;

let dir: string;
let host: SshTestServer;
let up: TrainyardProcess;
let url: string;

const hosts = (...args: string[]) => runTrainyard(['hosts', ...args, '--data-dir', join(dir, 'data')]);
const addHost = () =>
  hosts('add', 'box', 'box', '--ssh-config', host.configFile, '--working-dir', join(dir, 'host'));

beforeAll(async () => {
  if (!hasSshd) return;
  dir = mkdtempSync(join(tmpdir(), 'trainyard-host-checkpoints-'));
  for (const each of ['code', 'saved', 'outside']) mkdirSync(join(dir, each));
  symlinkSync(join(dir, 'outside'), join(dir, 'saved/linked'));
  host = await SshTestServer.start();
  expect(await addHost()).toMatchObject({ code: 0 });
  up = startTrainyard(['up', '--port', '0', '--data-dir', join(dir, 'data')]);
  url = (await up.line(/^ready (http:\S+)$/))[1]!;
});
afterAll(async () => {
  await up?.kill('SIGTERM');
  await host?.remove();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const ended = async (kind: string, given: object): Promise<RunTree> => {
  const definition = { name: kind, stages: [{ name: kind, [kind]: { job: 'hosted', ...given } }] };
  const { id } = await api(url).post<{ id: string }>('/api/v1/runs', { definition, baseDir: dir });
  return api(url).ended(id, 60_000);
};
const cleaned = async (given: object = {}) => {
  const run = await ended('cleanup_checkpoints', {
    ...{ keepBest: 1, metric: 'score', direction: 'max', ...given },
  });
  expect(run.status, JSON.stringify(run.children[0]!.error)).toBe('completed');
  return run.children[0]!.outputs as {
    deleted: string[];
    kept: string[];
    refused: { path: string; reason: string }[];
  };
};
const recorded = async () => {
  const path = '/api/v1/jobs/hosted/checkpoints';
  const { items } = await api(url).get<{ items: ModelCheckpoint[] }>(path);
  return items.map(({ step }) => step!).sort();
};

describe.skipIf(!hasSshd)('a clean-up stage on an agent that knows the host', () => {
  let inAttempt: string;
  const saved = (name: string) => join(dir, 'saved', name);

  it('tells what it would delete there, and leaves it while the host is away', async () => {
    const definition = {
      ...{ name: 'hosted', command: PROGRAM, numGpus: 0, workingDir: 'code', checkpointDir: 'saved' },
      env: { SAVED: join(dir, 'saved'), OUTSIDE: join(dir, 'outside') },
    };
    await api(url).post('/api/v1/jobs', { definition, baseDir: dir });
    const run = await ended('train_model', { runMode: 'ssh', sshConfig: { host: 'box' } });
    expect(run.status, JSON.stringify(run.children[0]!.error)).toBe('completed');
    expect(await recorded()).toEqual([0, 1, 2, 3, 4, 5]);
    const { deleted } = await cleaned({ dryRun: true });
    inAttempt = deleted.find((path) => path.endsWith('step-4'))!;
    expect(inAttempt).toContain(join(dir, 'host/attempts/att_'));
    expect(deleted.toSorted()).toEqual([inAttempt, saved('step-0'), saved('step-3')].toSorted());
    await host.stop();
    const away = await cleaned();
    expect(away).toMatchObject({ deleted: [], kept: [saved('step-5')] });
    expect(away.refused).toHaveLength(5);
    for (const { reason } of away.refused) expect(reason).toMatch(/^on box: /);
    await host.listen();
    expect(await recorded()).toEqual([0, 1, 2, 3, 4, 5]);
    expect([inAttempt, saved('step-3')].every((path) => existsSync(path))).toBe(true);
  }, 90_000);

  it('deletes there inside of attempts and of the job’s directory, through no link: rows and files agree', async () => {
    // Somebody else has deleted this one.
    rmSync(saved('step-0'), { recursive: true });
    const { deleted, refused } = await cleaned();
    expect(deleted.toSorted()).toEqual([inAttempt, saved('step-0'), saved('step-3')].toSorted());
    expect(refused.map(({ path }) => path).toSorted()).toEqual(
      [join(dir, 'outside/step-1'), saved('linked')].toSorted(),
    );
    expect(refused.map(({ reason }) => reason).sort()).toEqual([
      expect.stringContaining('on box it is a symbolic link'),
      expect.stringContaining('on box it is outside'),
    ]);
    expect([inAttempt, saved('step-3')].some((path) => existsSync(path))).toBe(false);
    for (const path of [join(dir, 'outside/step-1/model.bin'), saved('linked'), saved('step-5/model.bin')]) {
      expect(existsSync(path), path).toBe(true);
    }
    expect(await recorded()).toEqual([1, 2, 5]);
  }, 60_000);

  it('leaves them when the host is not known any more, and says whose they are', async () => {
    expect(await hosts('remove', 'box')).toMatchObject({ code: 0 });
    const { deleted, refused } = await cleaned({ direction: 'min' });
    // The file system is shared with this host: what the agent may delete itself is not the host's alone.
    expect(deleted).toEqual([saved('step-5')]);
    expect(refused.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('it is on box (agent box wrote it), which this agent does not know'),
    ]);
  }, 60_000);
});
