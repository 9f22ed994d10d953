import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Launch, RunEvent, RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

/** A pipeline in a directory of its own; its stage writes a line into `ran` whenever it runs. */
function pipeline(name: string, { cache, command = 'true' }: { cache: string; command?: string }) {
  const dir = join(platform.dir, name);
  const put = (file: string, text: string) => {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), text);
  };
  const out = `echo '{"rows": 3}' > "$TRAINYARD_OUTPUTS"`;
  put('data/in.csv', '1\n');
  put('train.sh', 'echo train\n');
  put(
    'pipeline.yaml',
    `name: ${name}
params: { n: { type: integer, default: 1 } }
stages:
  - name: a
    cache: ${cache}
    job: { command: '${`echo ran >> ../${name}.ran; cat data/in.csv; ${command}; ${out}`.replaceAll("'", "''")}' }
`,
  );
  const runs = () => {
    const path = join(platform.dir, `${name}.ran`);
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
  };
  return { dir, put, runs, file: join(dir, 'pipeline.yaml') };
}

const FILES = '{ inputs: [data], code: [train.sh] }';

/** Submits the file as a user does. */
async function submit(file: string): Promise<RunTree> {
  const done = await platform.trainyard('run', file, '--json');
  expect(done.code, done.stderr).toBe(0);
  return api(platform.url).tree(JSON.parse(done.stdout).id);
}

async function run(name: string, body: object = {}): Promise<RunTree> {
  const { id } = await api(platform.url).post<{ id: string }>(`/api/v1/pipelines/${name}/runs`, body);
  return endOf(id);
}

async function register(file: string): Promise<void> {
  const done = await platform.trainyard('pipelines', 'register', file);
  expect(done.code, done.stderr).toBe(0);
}

const endOf = (id: string) => api(platform.url).ended(id);

async function eventsOf(tree: RunTree): Promise<RunEvent[]> {
  const { items } = await api(platform.url).get<{ items: RunEvent[] }>(
    `/api/v1/runs/${stageOf(tree, 'a').id}/events`,
  );
  return items;
}

describe('a cached stage of a run that no command line has submitted', () => {
  it('is a hit the second time, and runs again when a file has changed', async () => {
    const { file, put, runs } = pipeline('registered', { cache: FILES });
    await register(file);
    const first = await run('registered');
    const second = await run('registered');
    expect(stageOf(second, 'a')).toMatchObject({
      status: 'completed',
      outputs: { rows: 3 },
      cachedFrom: stageOf(first, 'a').id,
    });
    expect(runs()).toBe(1);
    const events = await eventsOf(second);
    expect(events.map(({ type }) => type)).toEqual([
      ...['run.ready', 'run.queued', 'attempt.claimed', 'attempt.finished', 'run.cached', 'run.finished'],
    ]);
    expect(await platform.log(second, 'a')).toBe('1\n');
    put('data/in.csv', '2\n');
    await run('registered');
    put('data/more.csv', '');
    await run('registered');
    put('train.sh', 'echo other\n');
    const other = await run('registered');
    expect(runs()).toBe(4);
    expect((await run('registered')).children[0]).toMatchObject({
      cachedFrom: stageOf(other, 'a').id,
    });
  });

  it('has the key that a submit of the file has', async () => {
    const { file, runs } = pipeline('both', { cache: FILES });
    const submitted = await submit(file);
    await register(file);
    const registered = await run('both');
    expect(stageOf(registered, 'a').cachedFrom).toBe(stageOf(submitted, 'a').id);
    const again = await submit(file);
    expect(stageOf(again, 'a').cachedFrom).toBe(stageOf(submitted, 'a').id);
    expect(runs()).toBe(1);
  });

  it('is a hit for a schedule and for a re-run after a failure', async () => {
    const { file, put, runs } = pipeline('scheduled', { cache: FILES, command: 'sh train.sh || exit 1' });
    await register(file);
    const added = await platform.trainyard(
      ...[
        'schedules',
        'add',
        'nightly',
        '--pipeline',
        'scheduled',
        '--cron',
        '0 2 1 1 *',
        '--overlap',
        'allow',
      ],
    );
    expect(added.code, added.stderr).toBe(0);
    const { get, post } = api(platform.url);
    const launch = async () => {
      const { id } = await post<{ id: string }>('/api/v1/schedules/nightly/run', {});
      const started = await until('the launch', async () => {
        const { items } = await get<{ items: Launch[] }>('/api/v1/schedules/nightly/launches');
        return items.find((item) => item.id === id)?.runId ?? undefined;
      });
      return endOf(started);
    };
    const first = await launch();
    expect(stageOf(await launch(), 'a').cachedFrom).toBe(stageOf(first, 'a').id);
    expect(runs()).toBe(1);
    put('train.sh', 'exit 1\n');
    const failed = await launch();
    expect(failed.status).toBe('failed');
    put('train.sh', 'echo train\n');
    const { id } = await post<{ id: string }>(`/api/v1/runs/${failed.id}/retry`, {});
    expect(stageOf(await endOf(id), 'a')).toMatchObject({
      status: 'completed',
      cachedFrom: stageOf(first, 'a').id,
    });
    expect(runs()).toBe(2);
  });

  it('is not kept when a file was changed while it ran, also if the content came back', async () => {
    const back = 'cp data/in.csv keep; echo other > data/in.csv; cp keep data/in.csv; rm keep';
    const { file, runs } = pipeline('changing', { cache: '{ inputs: [data], code: [] }', command: back });
    const submitted = await submit(file);
    await register(file);
    const registered = await run('changing');
    expect(runs()).toBe(2);
    for (const tree of [submitted, registered]) {
      const events = await eventsOf(tree);
      expect(events).toContainEqual(
        expect.objectContaining({
          type: 'run.not_cached',
          data: { reason: expect.stringMatching(/not kept: .* was changed while it ran/) },
        }),
      );
    }
  });

  it('is looked for by the commit of the repository around it', async () => {
    const { dir, file, put, runs } = pipeline('repository', { cache: 'true' });
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args]);
    await register(file);
    const unknown = await run('repository');
    expect(await eventsOf(unknown)).toContainEqual(
      expect.objectContaining({
        type: 'run.not_cached',
        data: { reason: expect.stringMatching(/version of its code is not known, .* in no git repository/) },
      }),
    );
    git('init', '-q');
    git('add', '.');
    git('commit', '-qm', 'first');
    await run('repository');
    await run('repository');
    expect(runs()).toBe(2);
    put('train.sh', 'echo changed\n');
    await run('repository');
    expect(runs()).toBe(3);
  });

  it('runs when it is told to, and says why it is not cached where a file is missing', async () => {
    const { file, runs } = pipeline('told', { cache: "{ inputs: [data, 'none*'], code: [] }" });
    await register(file);
    const missing = await run('told');
    expect(await eventsOf(missing)).toContainEqual(
      expect.objectContaining({
        type: 'run.not_cached',
        data: { reason: expect.stringContaining('there is no file "none*"') },
      }),
    );
    writeFileSync(join(dirname(file), 'none.txt'), '');
    const first = await run('told');
    const { id } = await api(platform.url).post<{ id: string }>(`/api/v1/runs/${first.id}/retry`, {
      all: true,
    });
    await endOf(id);
    await run('told', { noCache: true });
    expect(runs()).toBe(4);
    await run('told');
    expect(runs()).toBe(4);
  });
});
