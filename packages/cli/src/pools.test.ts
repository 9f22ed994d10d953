import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PoolDetails } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { command, type RunningCommand, startCommand, temporaryDir } from './testing/command.ts';

let home: Awaited<ReturnType<typeof temporaryDir>>;
let up: RunningCommand;

const env = () => ({ TRAINYARD_HOME: join(home.dir, 'home') });
const run = (...args: string[]) => command(args, env());

async function start(): Promise<void> {
  up = startCommand(['up', '--port', '0', '--slots', '4'], env());
  await up.until('stdout', /ready .*\n/);
}

async function pipeline(name: string, definition: object): Promise<string> {
  const path = join(home.dir, `${name}.json`);
  await writeFile(path, JSON.stringify({ name, ...definition }));
  return path;
}

async function until<T>(what: string, check: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const found = await check().catch(() => undefined);
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const pool = async (name: string): Promise<PoolDetails> =>
  JSON.parse((await run('pools', 'show', name, '--json')).stdout);

beforeEach(async () => {
  home = await temporaryDir();
  await start();
});
afterEach(async () => {
  up.process.kill('SIGTERM');
  await up.ended;
  await home.remove();
});

it('runs the jobs of a pool of one after each other, beside jobs that need no pool', async () => {
  const missing = await run('run', await pipeline('early', { stages: [job('s', 'true', ['licence'])] }));
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain('stage "s" needs the pool "licence"');
  expect((await run('pools', 'set', 'licence', '--slots', '1')).stdout).toBe('licence has 1 slot\n');

  // A job that found another one at work would fail: only one can make the directory.
  const alone = 'mkdir busy && sleep 0.2 && rmdir busy';
  const stages = [1, 2, 3, 4, 5].map((index) => job(`alone-${index}`, alone, ['licence']));
  const free = [1, 2].map((index) => job(`free-${index}`, 'true'));
  const ended = await run('run', await pipeline('wide', { maxParallel: 10, stages: [...stages, ...free] }));
  expect([ended.code, ended.stderr]).toEqual([0, expect.stringContaining('completed')]);
  expect((await run('pools', 'list')).stdout).toMatch(/^licence\s+1\s+0\s+0/m);

  expect((await run('pools', 'delete', 'licence')).code).toBe(0);
  expect((await run('pools', 'show', 'licence')).code).toBe(3);
});

it('keeps what is held when server and agent are killed, and says why others wait', async () => {
  await run('pools', 'set', 'licence', '--slots', '1', '--description', 'the only seat');
  const file = await pipeline('long', {
    concurrency: { group: 'long' },
    stages: [job('holds', 'touch started; until [ -e go ]; do sleep 0.05; done', ['licence'])],
  });
  const first = JSON.parse((await run('run', file, '--detach', '--json')).stdout).id;
  const second = JSON.parse((await run('run', file, '--detach', '--json')).stdout).id;
  const other = await pipeline('other', { stages: [job('waits', 'true', ['licence'])] });
  await until('the job', () => access(join(home.dir, 'started')).then(() => true));
  const third = JSON.parse((await run('run', other, '--detach', '--json')).stdout).id;

  up.process.kill('SIGKILL');
  await up.ended;
  await start();
  expect(await pool('licence')).toMatchObject({ inUse: 1, waiting: 1, holders: [{ rootId: first }] });
  expect((await run('runs', 'show', third)).stdout).toContain(
    `the pool "licence" is full: 1 of 1 slots in use, longest by "holds" of ${first}`,
  );
  expect((await run('runs', 'show', second)).stdout).toContain(
    `waits for its turn in the concurrency group "long": 1 of 1 at work (${first})`,
  );
  await writeFile(join(home.dir, 'go'), '');
  for (const id of [first, second, third]) {
    expect((await run('runs', 'wait', id, '--timeout', '30')).code).toBe(0);
  }
  expect(await pool('licence')).toMatchObject({ inUse: 0, waiting: 0, holders: [] });
});

function job(name: string, text: string, pools?: readonly string[]) {
  return { name, ...(pools === undefined ? {} : { pools }), job: { command: text } };
}
