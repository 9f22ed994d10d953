import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connectLive, createClient } from '@trainyard/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command, type RunningCommand, startCommand, temporaryDir } from './testing/command.ts';

/** One platform for the file; each test has its own runs. */
let home: Awaited<ReturnType<typeof temporaryDir>>;
let up: RunningCommand;
let url: string;

const env = () => ({ TRAINYARD_HOME: join(home.dir, 'home') });
const run = (...args: string[]) => command(args, env());

async function pipeline(name: string, source: string): Promise<string> {
  const path = join(home.dir, name);
  await writeFile(path, source);
  return path;
}

async function until<T>(what: string, check: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

beforeAll(async () => {
  home = await temporaryDir();
  up = startCommand(['up', '--port', '0', '--slots', '4'], env());
  url = /^ready (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(await up.until('stdout', /\n/))![1]!;
});
afterAll(async () => {
  up.process.kill('SIGTERM');
  const { code, stdout, stderr } = await up.ended;
  await home.remove();
  expect(code).toBe(0);
  expect(stdout).toBe(`ready ${url}\n`);
  expect(stderr).toContain('Running jobs go on');
});

const TREE = `name: tree
params: { n: { type: integer, default: 1 }, tag: { type: string, default: base } }
stages:
  - name: prepare
    job:
      command: 'printf "one\\r\\n\${{ params.n }}\\n" && echo ''{"path":"data.bin"}'' > "$TRAINYARD_OUTPUTS"'
  - name: sweep
    dependsOn: [prepare]
    pipeline:
      stages:
        - name: a
          job:
            command: 'echo ''{"step":0,"loss":0.5}'' >> "$PLATFORM_METRICS_DIR/\${TRAINYARD_RUN_ID}_metrics.jsonl"; pwd'
        - { name: b, job: { command: 'echo \${{ stages.prepare.outputs.path }} \${{ params.tag }}' } }
`;

describe('run', () => {
  it('waits for the end and prints the document of the run', async () => {
    const file = await pipeline('tree.yaml', TREE);
    const { code, stdout, stderr } = await run('run', file, '--param', 'n=7', '--param', 'tag=x y', '--json');
    expect(stderr).toContain('sweep/a: completed');
    expect(code).toBe(0);
    const document = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual([
      'id',
      'kind',
      'name',
      'status',
      'error',
      'params',
      'outputs',
      'startedAt',
      'endedAt',
      'children',
    ]);
    expect(document).toMatchObject({ kind: 'pipeline', name: 'tree', status: 'completed', error: null });
    expect(document.params).toEqual({ n: 7, tag: 'x y' });
    expect(document.children).toMatchObject([
      { name: 'prepare', kind: 'job', outputs: { path: 'data.bin' }, children: [] },
      { name: 'sweep', kind: 'pipeline', children: [{ name: 'a' }, { name: 'b', status: 'completed' }] },
    ]);

    const shown = await run('runs', 'show', document.id, '--json');
    expect(JSON.parse(shown.stdout)).toEqual(document);
    const text = (await run('runs', 'show', document.id)).stdout;
    expect(text).toContain('✔ prepare');
    expect(text).toContain('loss 0.5');
    expect(text).not.toContain('\u001b[');

    const [prepare, sweep] = document.children;
    expect((await run('runs', 'logs', prepare.id)).stdout).toBe('one\r\n7\n');
    const logs = (await run('runs', 'logs', document.id)).stdout.split('\n');
    expect(logs).toEqual([
      'prepare | one',
      'prepare | 7',
      `sweep/a | ${home.dir}`,
      'sweep/b | data.bin x y',
      '',
    ]);
    const lines = (await run('runs', 'logs', document.id, '--stage', 'b', '--json')).stdout.trim();
    expect(JSON.parse(lines)).toMatchObject({ path: 'sweep/b', attempt: 1, offset: 0, text: 'data.bin x y' });
    expect((await run('runs', 'logs', document.id, '--stage', 'sweep/b', '--timestamps')).stdout).toMatch(
      /^\d{4}-\d\d-\d\dT\S+Z data\.bin x y\n$/,
    );

    const metrics = JSON.parse((await run('runs', 'metrics', sweep.children[0].id, '--json')).stdout);
    expect(metrics).toEqual({ loss: [{ step: 0, value: 0.5, time: expect.any(Number) }] });
    expect((await run('runs', 'metrics', document.id)).stdout).toMatch(/sweep\/a +loss +1 +0 +0\.5/);

    const events = (await run('runs', 'events', document.id, '--json')).stdout.trim().split('\n');
    const types = events.map((line) => JSON.parse(line).type);
    expect(types[0]).toBe('run.created');
    expect(types.at(-1)).toBe('run.finished');
    expect((await run('runs', 'list', '--name', 'tree', '--json')).stdout).toContain(document.id);
  });

  it('ends with 10 and the reason when a stage fails', async () => {
    const file = await pipeline(
      'fails.yaml',
      'name: fails\nstages: [{ name: a, job: { command: exit 3 } }]\n',
    );
    const { code, stdout, stderr } = await run('run', file);
    expect(code).toBe(10);
    expect(stdout).toMatch(/^run_\w+ failed\n$/);
    expect(stderr).toContain('exit code 3');
    expect(stderr).toContain('trainyard runs logs run_');
  });

  it('shows the logs of all stages also when one of them failed before it started', async () => {
    const source = `name: unstarted
stages:
  - { name: a, job: { command: echo one } }
  - { name: b, dependsOn: [a], job: { command: "echo \${{ stages.a.outputs.nope }}" } }
  - { name: c, dependsOn: [b], triggerRule: all_done, job: { command: echo three } }
`;
    const { code, stdout } = await run('run', await pipeline('unstarted.yaml', source));
    expect(code).toBe(10);
    const id = stdout.split(' ')[0]!;
    expect(await run('runs', 'logs', id)).toMatchObject({ code: 0, stdout: 'a | one\nc | three\n' });
    expect(await run('runs', 'logs', id, '-f')).toMatchObject({ code: 0, stdout: 'a | one\nc | three\n' });
  });

  it('cancels one stage by its path, and lets the others go on', async () => {
    const source = `name: branches
stages:
  - { name: long, job: { command: sleep 600 } }
  - { name: beside, dependsOn: [long], triggerRule: all_done, job: { command: "true" } }
`;
    const { stdout } = await run('run', await pipeline('branches.yaml', source), '--detach');
    const id = stdout.trim();
    expect((await run('runs', 'cancel', id, '--stage', 'long')).code).toBe(0);
    await run('runs', 'wait', id);
    const { children } = JSON.parse((await run('runs', 'show', id, '--json')).stdout);
    const statuses = children.map(({ status }: { status: string }) => status);
    expect(statuses).toEqual(['cancelled', 'completed']);
    expect((await run('runs', 'list', '--status', 'bogus')).stderr).toContain('they are pending, ');
  });

  it('goes on with a mended file and keeps what was right, saying before why the rest runs again', async () => {
    const source = `name: mend
stages:
  - { name: good, job: { command: 'echo once >> good.txt' } }
  - { name: bad, dependsOn: [good], job: { command: exit 3 } }
`;
    const file = await pipeline('mend.yaml', source);
    expect((await run('run', file)).code).toBe(10);
    await writeFile(file, source.replace('exit 3', 'exit 0'));
    const planned = await run('run', file, '--resume-from', 'latest', '--dry-run');
    expect(planned.stdout).toMatch(/good +job +kept \(run_/);
    expect(planned.stdout).toMatch(/bad +job +run \(its definition has changed: job.command\)/);
    const { code, stderr } = await run('run', file, '--resume-from', 'latest');
    expect([code, stderr]).toEqual([0, expect.stringMatching(/good: completed .*kept from run_/)]);
    expect(await readFile(join(home.dir, 'good.txt'), 'utf8')).toBe('once\n');
  });

  it('keeps its exit code when nobody reads its output, and streams end then', async () => {
    const file = await pipeline(
      'chatty.yaml',
      'name: chatty\nstages: [{ name: a, job: { command: "seq 1 100000; exit 1" } }]\n',
    );
    const ran = startCommand(['run', file], env());
    ran.process.stdout?.destroy();
    const { code, stderr } = await ran.ended;
    expect(code).toBe(10);
    const logs = startCommand(['runs', 'logs', /^run (run_\w+)/.exec(stderr)![1]!, '-f'], env());
    await logs.until('stdout', /^a?.*1\n/);
    logs.process.stdout?.destroy();
    expect((await logs.ended).code).toBe(0);
  });

  it('refuses params that the pipeline does not have, with 2', async () => {
    const file = await pipeline('params.yaml', TREE);
    expect(await run('run', file, '--param', 'm=1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no param "m"'),
    });
    expect((await run('run', file, '--param', 'n=x')).stderr).toContain('must be a whole number');
  });

  it('stores nothing of a faulty file', async () => {
    const file = await pipeline('faulty.yaml', 'name: faulty\nstages: [{ name: a }]\n');
    const { code, stderr } = await run('run', file, '--url', url);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^\S+faulty\.yaml:2:10: a stage has exactly one of "job", .*\n$/);
    expect(JSON.parse((await run('runs', 'list', '--name', 'faulty', '--json')).stdout)).toEqual([]);
  });
});

const SLOW = 'name: slow\nstages: [{ name: a, job: { command: "echo begun; sleep 600" } }]\n';

describe('a run that goes on', () => {
  it('is left by Ctrl-C, found again by wait, and ends with 11 when cancelled', async () => {
    const file = await pipeline('slow.yaml', SLOW);
    const watching = startCommand(['run', file], env());
    const [, id] = /^run (run_\w+)/.exec(await watching.until('stderr', /a: running/))!;
    watching.process.kill('SIGINT');
    const left = await watching.ended;
    expect(left.code).toBe(130);
    expect(left.stderr).toContain(`trainyard runs watch ${id}`);
    expect(left.stderr).toContain(`trainyard runs cancel ${id}`);

    const waited = await run('runs', 'wait', id!, '--timeout', '0.2');
    expect(waited).toMatchObject({ code: 7, stdout: 'running\n' });

    const again = startCommand(['runs', 'watch', id!, '--json'], env());
    await again.until('stderr', /a: running/);
    expect(await run('runs', 'cancel', id!, '--reason', 'enough')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(new RegExp(`^${id} (cancel requested|cancelling|cancelled)\n$`)),
    });
    const ended = await again.ended;
    expect(ended.code).toBe(11);
    expect(JSON.parse(ended.stdout)).toMatchObject({ id, status: 'cancelled' });
    expect((await run('runs', 'wait', id!)).code).toBe(11);
  });

  it('is followed by its log', async () => {
    const file = await pipeline('follow.yaml', SLOW);
    const { id } = JSON.parse((await run('run', file, '--detach', '--json')).stdout);
    const following = startCommand(['runs', 'logs', id, '-f', '--stage', 'a'], env());
    await following.until('stdout', /^begun\n$/);
    await run('runs', 'cancel', id);
    expect(await following.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^begun\n/) });
  });

  it('comes over the live feed: events in order, changed runs, log and metrics', async () => {
    const file = await pipeline('live.yaml', TREE);
    const client = createClient({ url });
    const live = connectLive({ url });
    try {
      const source = await readFile(file, 'utf8');
      const { id } = await client.submitRun({ source, baseDir: home.dir });
      const seqs: number[] = [];
      let status = '';
      live.subscribe({ op: 'subscribe_run', rootId: id }, (message) => {
        if (message.type === 'events') seqs.push(...message.events.map((event) => event.seq));
        if (message.type !== 'runs') return;
        status = message.runs.find((each) => each.id === id)?.status ?? status;
      });
      await until('the end', async () => (status === 'completed' ? true : undefined));
      const { items } = await client.listEvents(id, { limit: 500 });
      await until('all events', async () => (seqs.length >= items.length ? true : undefined));
      expect(seqs).toEqual(items.map((event) => event.seq));

      const job = (await client.getTree(id)).children[0]!;
      let text = '';
      live.subscribe({ op: 'subscribe_log', runId: job.id }, (message) => {
        if (message.type === 'log') text += message.text;
      });
      await until('the log', async () => (text === 'one\r\n1\n' ? true : undefined));
    } finally {
      live.close();
    }
  });
});

describe('runs show', () => {
  it('says why a queued job is not taken', async () => {
    const file = await pipeline(
      'nowhere.yaml',
      'name: nowhere\nstages: [{ name: a, job: { command: "true", queue: nobody } }]\n',
    );
    const { id } = JSON.parse((await run('run', file, '--detach', '--json')).stdout);
    await until('the queue', async () => {
      const { stdout } = await run('runs', 'show', id);
      return stdout.includes('no agent that is online serves the queue "nobody"') ? true : undefined;
    });
    expect((await run('runs', 'cancel', id)).code).toBe(0);
  });

  it('is said at once by who follows a run, with what to do', async () => {
    const file = await pipeline(
      'gpus.yaml',
      'name: gpus\nstages: [{ name: a, job: { command: "true", resources: { gpus: 8 } } }]\n',
    );
    const following = startCommand(['run', file], env());
    const shown = await following.until('stderr', /a: queued {2}no agent of the queue "default" has 8 GPUs/);
    expect(shown).toContain('the largest has 0: lower resources.gpus of the stage');
    const id = /run (run_\w+)/.exec(shown)![1]!;
    expect((await run('runs', 'cancel', id)).code).toBe(0);
    expect((await following.ended).code).toBe(11);
  });
});

describe('what is not there', () => {
  it('ends with 3 for a run or a stage', async () => {
    expect((await run('runs', 'show', 'run_none')).code).toBe(3);
    const { code, stderr } = await run('runs', 'logs', '--stage', 'nowhere');
    expect(code).toBe(3);
    expect(stderr).toContain('no stage "nowhere"');
  });

  it('ends with 1 and the address of the server that has the data directory', async () => {
    const { code, stdout, stderr } = await run('up', '--port', '0', '--json');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const { error } = JSON.parse(stderr);
    expect(error).toMatchObject({ code: 'DATA_DIR_IN_USE', details: { url } });
    expect(error.message).toContain(`the Trainyard server at ${url}`);
  });

  it('ends with 1 and a clear message for a port that is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const second = await temporaryDir();
    try {
      const { code, stdout, stderr } = await command(['up', '--port', `${port}`], {
        TRAINYARD_HOME: second.dir,
      });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(`Another program listens on 127.0.0.1:${port}`);
    } finally {
      other.close();
      await second.remove();
    }
  });
});

describe('ready', () => {
  it('is not printed when the agent cannot start', async () => {
    const own = await temporaryDir();
    try {
      await mkdir(join(own.dir, 'agent'));
      // The directory looks as if the agent of the other platform had it.
      await copyFile(join(home.dir, 'home/agent/agent.lock'), join(own.dir, 'agent/agent.lock'));
      const { code, stdout, stderr } = await command(['up', '--port', '0', '--data-dir', own.dir]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('Another agent');
      await expect(readFile(join(own.dir, 'server.json'))).rejects.toThrow('ENOENT');
    } finally {
      await own.remove();
    }
  });
});

describe('tokens', () => {
  it('are made, needed from then on, listed and revoked', async () => {
    const own = await temporaryDir();
    const platform = startCommand(['up', '--port', '0', '--no-agent', '--data-dir', own.dir]);
    try {
      const address = /ready (\S+)/.exec(await platform.until('stdout', /\n/))![1]!;
      const here = { TRAINYARD_HOME: own.dir };
      const first = await command(['tokens', 'create', '--name', 'ci'], here);
      expect([first.code, first.stderr]).toEqual([2, expect.stringContaining('--scope admin')]);
      await command(['tokens', 'create', '--name', 'ada', '--scope', 'admin'], here);
      const made = await command(['tokens', 'create', '--name', 'ci', '--scope', 'viewer', '--json'], here);
      const { id, token } = JSON.parse(made.stdout);
      expect((await command(['runs', 'list', '--url', address])).code).toBe(4);
      const read = { TRAINYARD_URL: address, TRAINYARD_TOKEN: token };
      expect((await command(['runs', 'list', '--json'], read)).stdout).toBe('[]\n');
      const refused = await command(['tokens', 'list'], read);
      expect([refused.code, refused.stderr]).toEqual([4, expect.stringMatching(/without TRAINYARD_URL/)]);
      expect((await command(['tokens', 'list'], here)).stdout).toMatch(/ci +viewer/);
      expect((await command(['tokens', 'revoke', id], here)).code).toBe(0);
      expect((await command(['tokens', 'list', '--json'], here)).stdout).toContain('"revokedAt": "2');
    } finally {
      platform.process.kill('SIGTERM');
      await platform.ended;
      await own.remove();
    }
  });
});
