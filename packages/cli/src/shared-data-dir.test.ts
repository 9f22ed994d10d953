import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { command, startCommand, temporaryDir } from './testing/command.ts';

/** Each test has an empty data directory on which no server runs. */
let home: Awaited<ReturnType<typeof temporaryDir>>;
let env: { TRAINYARD_HOME: string };

beforeEach(async () => {
  home = await temporaryDir();
  env = { TRAINYARD_HOME: join(home.dir, 'data') };
});
afterEach(() => home.remove());

/** A pipeline of one job that prints `begun`, waits until the gate is open, and prints `ended`. */
async function gatedPipeline(name: string): Promise<{ file: string; open: () => Promise<void> }> {
  const gate = join(home.dir, `${name}.gate`);
  const file = join(home.dir, `${name}.yaml`);
  const script = `echo begun; until [ -e '${gate}' ]; do sleep 0.05; done; echo ended`;
  await writeFile(file, `name: ${name}\nstages: [{ name: a, job: { command: "${script}" } }]\n`);
  return { file, open: () => writeFile(gate, '') };
}

describe('a platform for one command', () => {
  it('starts with the command, ends with it, and keeps its runs', async () => {
    const { file, open } = await gatedPipeline('own');
    await open();
    const ran = await command(['run', file], env);
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringMatching(/^run_\w+ completed\n$/) });
    await expect(readFile(join(env.TRAINYARD_HOME, 'server.json'))).rejects.toThrow('ENOENT');
    const shown = await command(['runs', 'show'], env);
    expect(shown.stdout).toContain('status    completed');
  });

  it('is taken over by the next command when it ends before that one', async () => {
    const short = await gatedPipeline('short');
    const long = await gatedPipeline('long');
    const first = startCommand(['run', short.file], env);
    await first.until('stderr', /a: running/);
    const second = startCommand(['run', long.file], env);
    await second.until('stderr', /a: running/);
    await short.open();
    expect((await first.ended).code).toBe(0);
    await second.until('stderr', /lost; looking for the server/);
    await long.open();
    expect(await second.ended).toMatchObject({ code: 0 });
    const logs = await command(['runs', 'logs', 'latest', '--stage', 'a'], env);
    expect(logs.stdout).toBe('begun\nended\n');
  });
});

/** A job that is claimed just as the agent of an ending command stops is free again when its lease of 60 s ends. */
const WITH_LEASE_MS = 180_000;

describe('commands that start at once on an empty data directory', () => {
  it(
    'use the server of the fastest, and go on when that one ends',
    async () => {
      const { file, open } = await gatedPipeline('wait');
      const runs = [1, 2, 3].map(() => startCommand(['run', file], env));
      await Promise.all(runs.map((run) => run.until('stderr', /^run run_/m)));
      await open();
      for (const run of runs) expect(await run.ended).toMatchObject({ code: 0 });

      const [list, show, other] = await Promise.all([
        command(['runs', 'list', '--json'], env),
        command(['runs', 'show'], env),
        command(['runs', 'list', '--limit', '1'], env),
      ]);
      const statuses = JSON.parse(list.stdout).map((run: { status: string }) => run.status);
      expect(statuses).toEqual(['completed', 'completed', 'completed']);
      expect(show).toMatchObject({ code: 0, stdout: expect.stringContaining('status    completed') });
      expect(other).toMatchObject({ code: 0, stderr: '' });
    },
    WITH_LEASE_MS,
  );
});
