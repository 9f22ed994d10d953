import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@trainyard/client';
import type { Backfill, Launch, Schedule, Trigger, Webhook } from '@trainyard/protocol';
import { type HttpReceiver, startHttpReceiver } from '@trainyard/server/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { command, type RunningCommand, startCommand, temporaryDir } from '../testing/command.ts';

const SOURCE = `name: train
params: { day: { type: string, default: none } }
stages:
  - { name: a, job: { command: 'echo "\${{ params.day }}" >> days.txt' } }
`;

let dir: string;
let remove: () => Promise<void>;
let server: RunningCommand;
let url: string;
let receiver: HttpReceiver;

const start = async (): Promise<void> => {
  const options = ['--port', '0', '--slots', '2', '--allow-private-webhooks', '127.0.0.1'];
  server = startCommand(['up', ...options, '--data-dir', join(dir, 'data')]);
  url = /^ready (\S+)/m.exec(await server.until('stdout', /^ready \S+$/m))![1]!;
};
beforeAll(async () => {
  ({ dir, remove } = await temporaryDir());
  receiver = await startHttpReceiver();
  await writeFile(join(dir, 'train.yaml'), SOURCE);
  await start();
  expect(await trainyard('pipelines', 'register', 'train.yaml')).toMatchObject({ code: 0 });
});
afterAll(async () => {
  server.process.kill('SIGTERM');
  await server.ended;
  await receiver.end();
  await remove();
});

const trainyard = (...args: string[]) =>
  command(['--data-dir', join(dir, 'data'), ...args], { HOOK_SECRET: 'a secret of the sender' }, dir);
const client = () => createClient({ url });
const json = async <T>(...args: string[]): Promise<T> => {
  const { code, stdout, stderr } = await trainyard(...args, '--json');
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
};

it('warns when a webhook leads where this server sends nothing, by the rule of sending', async () => {
  const added = await trainyard('webhooks', 'add', 'http://127.0.0.2:9/hook');
  expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whk_\w+\n$/) });
  expect(added.stderr).toMatch(/nothing will be sent: 127.0.0.2 .*--allow-private-webhooks 127.0.0.2/);
  const { id, warning } = await json<Webhook & { warning: string | null }>('webhooks', 'add', receiver.url);
  expect(warning).toBeNull();
  for (const each of [id, added.stdout.trim()])
    expect(await trainyard('webhooks', 'remove', each)).toMatchObject({ code: 0 });
});

it('adds a webhook, tests it, and tells it about a run', async () => {
  const added = await trainyard(
    'webhooks',
    'add',
    `${receiver.url}/hook`,
    '--events',
    'run.completed,run.failed',
  );
  expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whk_\w+\n$/) });
  expect(added.stderr).toMatch(/whsec_/);
  const id = added.stdout.trim();
  expect(await trainyard('webhooks', 'test', id)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^msg_\w+ delivered: 204 in \d+ ms\n$/),
  });
  expect((await trainyard('pipelines', 'run', 'train')).code).toBe(0);
  // The message of the run is sent by itself, soon after its end.
  const delivered = async () => (await trainyard('webhooks', 'deliveries', id)).stdout;
  await expect.poll(delivered, { timeout: 30_000 }).toMatch(/run\.completed +run_\w+ +delivered/);
  receiver.reply = () => ({ status: 500, body: 'out of order' });
  const failed = await trainyard('webhooks', 'test', id);
  expect(failed).toMatchObject({ code: 10, stderr: 'out of order\n' });
  receiver.reply = () => ({ status: 204 });
  const message = /^msg_\w+/.exec(failed.stdout)?.[0] ?? '';
  expect((await trainyard('webhooks', 'redeliver', message)).code).toBe(0);
  expect(await json<Webhook>('webhooks', 'show', id)).toMatchObject({
    deliveries: { delivered: 3, pending: 0, failed: 0 },
  });
  expect((await trainyard('webhooks', 'remove', id)).code).toBe(0);
  expect((await trainyard('webhooks', 'show', id)).code).toBe(3);
});

it('makes an address that starts runs', async () => {
  const added = await json<Trigger & { url: string }>(
    ...['triggers', 'add', 'push', '--pipeline', 'train@1', '--param', 'day=${{ payload.day }}'],
    ...['--when', 'payload.day != "never"', '--secret-env', 'HOOK_SECRET'],
  );
  const send = async (body: string): Promise<{ id: string | null }> => {
    const signature = createHmac('sha256', 'a secret of the sender').update(body).digest('hex');
    const headers = { 'x-hub-signature-256': `sha256=${signature}`, 'content-type': 'application/json' };
    const answer = await fetch(added.url, { method: 'POST', headers, body });
    return (await answer.json()) as { id: string | null };
  };
  expect(await send('{"day":"never"}')).toEqual({ id: null });
  const { id } = await send('{"day":"a monday"}');
  expect((await trainyard('runs', 'wait', id!)).code).toBe(0);
  expect(await json('runs', 'show', id!)).toMatchObject({ params: { day: 'a monday' } });
  const shown = await trainyard('triggers', 'show', 'push');
  expect(shown.stdout).toMatch(new RegExp(`param +day = .*payload.day[\\s\\S]*last run +${id}`));
  expect((await trainyard('triggers', 'list')).stdout).toContain('train@1');
  expect((await trainyard('triggers', 'remove', 'push')).code).toBe(0);
});

it('adds a schedule, shows what comes, and runs it by hand', async () => {
  const added = await json<Schedule>(
    ...[
      'schedules',
      'add',
      'nightly',
      '--pipeline',
      'train',
      '--cron',
      '0 2 * * *',
      '--timezone',
      'Europe/Berlin',
    ],
    ...['--param', 'day=${{ schedule.date }}', '--overlap', 'queue', '--catch-up', 'none', '--jitter', '10m'],
  );
  expect(added).toMatchObject({ overlap: 'queue', catchUp: 'none', jitterMs: 600_000 });
  expect((await trainyard('schedules', 'next', 'nightly', '--count', '2')).stdout).toMatch(/^(\S+Z\n){2}$/);
  const run = await trainyard('schedules', 'run-now', 'nightly');
  expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/^run_\w+\n$/) });
  expect((await trainyard('runs', 'wait', run.stdout.trim())).code).toBe(0);
  expect((await trainyard('schedules', 'pause', 'nightly', '--reason', 'holidays')).stdout).toBe(
    'nightly is paused\n',
  );
  const shown = await trainyard('schedules', 'show', 'nightly');
  expect(shown.stdout).toMatch(/overlap +queue: The new run waits[\s\S]*holidays[\s\S]*by hand/);
  expect((await trainyard('schedules', 'list')).stdout).toMatch(/nightly +train +0 2 \* \* \* .*paused/);
  expect((await trainyard('schedules', 'resume', 'nightly')).stdout).toMatch(/^nightly runs next at/);
  expect((await trainyard('schedules', 'remove', 'nightly')).code).toBe(0);
});

it('shows what a backfill would do, does it, and leaves out what is done', async () => {
  const range = ['--from', '2026-01-01', '--to', '2026-01-03', '--every', '1d'];
  const params = ['--param', 'day=${{ schedule.date }}', '--max-parallel', '2'];
  const plan = await trainyard('backfill', 'train', ...range, ...params, '--dry-run');
  expect(plan.stdout.split('\n').filter((line) => line.includes(' run '))).toHaveLength(3);
  const done = await trainyard('backfill', 'train', ...range, ...params);
  expect(done).toMatchObject({ code: 0, stdout: `${idIn(done.stdout)} completed: 3 completed of 3\n` });
  const again = await trainyard('backfill', 'train', ...range, ...params);
  expect(again).toMatchObject({ code: 0, stdout: `${idIn(again.stdout)} completed: 3 left out of 3\n` });
  // Of jobs that no agent takes.
  await writeFile(
    join(dir, 'stuck.yaml'),
    SOURCE.replace('train', 'stuck').replace('job: {', 'job: { queue: none,'),
  );
  expect((await trainyard('pipelines', 'register', 'stuck.yaml')).code).toBe(0);
  const other = await json<Backfill>('backfill', 'stuck', ...range, ...params, '--detach');
  expect((await trainyard('backfills', 'cancel', other.id)).code).toBe(0);
  expect((await trainyard('backfills', 'list')).stdout).toContain(other.id);
});

it('goes on with a backfill after the server was killed, and runs nothing twice', async () => {
  const started = await client().backfills.add({
    pipeline: 'train',
    from: '2026-02-01',
    to: '2026-02-08',
    everyMs: 86_400_000,
    params: { day: '${{ schedule.date }}' },
    maxParallel: 2,
  });
  const when = async (holds: (now: Backfill) => boolean): Promise<void> => {
    for (;;) if (holds(await client().backfills.get(started.id))) return;
  };
  await when(({ succeeded }) => succeeded >= 2);
  server.process.kill('SIGKILL');
  await server.ended;
  await start();
  await when(({ status }) => status !== 'running');
  const ended = await json<Backfill & { items: Launch[] }>('backfills', 'show', started.id);
  expect(ended).toMatchObject({ status: 'completed', succeeded: 8 });
  expect(new Set(ended.items.map(({ runId }) => runId)).size).toBe(8);
  const { items } = await client().listRuns({ limit: 100 });
  const days = items.map(({ params }) => String(params['day'])).filter((day) => day.startsWith('2026-02-'));
  expect(days.sort()).toEqual(Array.from({ length: 8 }, (_, i) => `2026-02-0${i + 1}`));
});

it('says what is wrong with an option', async () => {
  const code = async (...args: string[]) => (await trainyard(...args)).code;
  expect(await code('webhooks', 'add', 'http://127.0.0.1/', '--events', 'run.exploded')).toBe(2);
  expect(await code('webhooks', 'add', 'http://127.0.0.1/', '--secret-env', 'NOT_SET')).toBe(2);
  expect(await code('webhooks', 'deliveries', 'whk_1', '--status', 'lost')).toBe(2);
  expect(await code('schedules', 'add', 'x', '--pipeline', 'train', '--cron', '* * *')).toBe(2);
  expect(
    await code('schedules', 'add', 'x', '--pipeline', 'train', '--cron', '@daily', '--overlap', 'no'),
  ).toBe(2);
  expect(await code('backfill', 'train', '--from', '2026-01-01', '--to', '2026-01-02')).toBe(2);
  expect(await code('backfill', 'none', '--from', '2026-01-01', '--to', '2026-01-02', '--every', '1d')).toBe(
    3,
  );
});

function idIn(text: string): string {
  return /bkf_\w+/.exec(text)?.[0] ?? '';
}
