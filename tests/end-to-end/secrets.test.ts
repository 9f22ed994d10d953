import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

/** Not a word that could stand anywhere by chance. */
const VALUE = 'v3ry-s3cret-"quoted"\n$HOME';

const PIPELINE = `
name: secretive
stages:
  - name: use
    job:
      command: [sh, -c, 'printf %s "$AUTH" | sha256sum | cut -d" " -f1']
      env: { AUTH: 'Bearer \${{ secrets.API_KEY }}' }
`;

const dir = mkdtempSync(join(tmpdir(), 'trainyard-secrets-'));
const at = ['--data-dir', join(dir, 'data')];
let server: TrainyardProcess;

beforeAll(async () => {
  server = startTrainyard(['up', '--port', '0', ...at]);
  await server.line(/^ready (http:\S+)$/);
  writeFileSync(join(dir, 'key'), `${VALUE}\n`);
  writeFileSync(join(dir, 'use.yaml'), PIPELINE);
});
afterAll(async () => {
  await server.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

it('refuses a run whose secret is not stored, and says how to store it', async () => {
  const refused = await runTrainyard(['run', join(dir, 'use.yaml'), ...at]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('Stage "use" needs the secret "API_KEY"');
  expect(refused.stderr).toContain('trainyard secrets set API_KEY');
  const list = await runTrainyard(['runs', 'list', '--json', ...at]);
  expect(JSON.parse(list.stdout)).toEqual([]);
});

it('puts a secret into the environment of the job and nowhere else', async () => {
  const set = await runTrainyard(['secrets', 'set', 'API_KEY', '--from-file', join(dir, 'key'), ...at]);
  expect(set.stdout).toBe('API_KEY stored\n');
  const run = await runTrainyard(['run', join(dir, 'use.yaml'), '--json', ...at]);
  expect(run.code, run.stderr).toBe(0);
  const log = await runTrainyard(['runs', 'logs', JSON.parse(run.stdout).children[0].id, ...at]);
  const { createHash } = await import('node:crypto');
  expect(log.stdout.trim()).toBe(createHash('sha256').update(`Bearer ${VALUE}`).digest('hex'));
  const list = await runTrainyard(['secrets', 'list', '--json', ...at]);
  expect(JSON.parse(list.stdout)).toMatchObject([{ name: 'API_KEY' }]);
  expect(list.stdout + run.stdout + server.stderr()).not.toContain('v3ry');
  expect(filesWith(join(dir, 'data'), 'v3ry-s3cret')).toEqual([]);
});

it('sends a secret with an http stage without writing it down', async () => {
  const seen: string[] = [];
  const receiver = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (text: string) => seen.push(text));
    request.on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const file = join(dir, 'send.yaml');
  const send = `{ method: POST, url: 'http://127.0.0.1:${port}/', json: { key: '\${{ secrets.API_KEY }}' } }`;
  writeFileSync(file, `name: send\nstages:\n  - name: send\n    http: ${send}\n`);
  const run = await runTrainyard(['run', file, '--json', ...at]);
  receiver.close();
  expect(run.code, run.stderr).toBe(0);
  expect(JSON.parse(seen.join(''))).toEqual({ key: VALUE });
  expect(filesWith(join(dir, 'data'), 'v3ry-s3cret')).toEqual([]);
});

it('shows no part of an address that is a secret, whatever comes of the request', async () => {
  const receiver = createServer((request, response) => {
    response.statusCode = 500;
    response.end(`no ${request.url}`);
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const file = join(dir, 'hook.yaml');
  writeFileSync(file, "name: hook\nstages:\n  - name: hook\n    http: { url: '${{ secrets.HOOK }}' }\n");
  for (const address of [
    `http://127.0.0.1:${port}/services/s3cret-path?k=s3cret-key`,
    'ftp://h/s3cret-path?k=s3cret-key',
  ]) {
    writeFileSync(join(dir, 'hook'), address);
    await runTrainyard(['secrets', 'set', 'HOOK', '--from-file', join(dir, 'hook'), ...at]);
    const run = await runTrainyard(['run', file, '--json', ...at]);
    expect(run.code).toBe(10);
    const { id, children } = JSON.parse(run.stdout);
    const log = await runTrainyard(['runs', 'logs', children[0].id, ...at]);
    const events = await runTrainyard(['runs', 'events', id, '--json', ...at]);
    expect(children[0].error.message.length).toBeGreaterThan(10);
    expect(run.stdout + run.stderr + log.stdout + events.stdout).not.toContain('s3cret');
  }
  receiver.close();
  expect(filesWith(join(dir, 'data'), 's3cret-path')).toEqual([]);
});

it('names the place of a secret where people could read it', async () => {
  const file = join(dir, 'open.yaml');
  writeFileSync(file, PIPELINE.replace('$AUTH', '${{ secrets.API_KEY }}'));
  const refused = await runTrainyard(['validate', file, ...at]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/open\.yaml:6:\d+: .*secrets are for the "env" of a job/);
});

it('fails the job of which the secret was removed meanwhile', async () => {
  const gate = join(dir, 'gate');
  const file = join(dir, 'late.yaml');
  const first = `  - { name: first, job: { command: 'until [ -e ${gate} ]; do sleep 0.05; done' } }\n`;
  writeFileSync(
    file,
    PIPELINE.replace('stages:\n', `stages:\n${first}`).replace(
      '- name: use',
      '- name: use\n    dependsOn: [first]\n    retry: { attempts: 3, backoff: 1ms }',
    ),
  );
  const started = await runTrainyard(['run', file, '--detach', '--json', ...at]);
  await runTrainyard(['secrets', 'remove', 'API_KEY', ...at]);
  writeFileSync(gate, '');
  const { id } = JSON.parse(started.stdout);
  expect((await runTrainyard(['runs', 'wait', id, ...at])).code).toBe(10);
  const shown = JSON.parse((await runTrainyard(['runs', 'show', id, '--json', ...at])).stdout);
  expect(shown.children[1].error).toMatchObject({ code: 'secret_missing' });
  const events = await runTrainyard(['runs', 'events', id, '--json', ...at]);
  expect(events.stdout.match(/"attempt.finished"/g)).toHaveLength(2);
  expect(shown.children[1].error.message).toContain('trainyard secrets set API_KEY');
});

it.each([
  [['set', '1BAD', '--from-file', 'KEY'], 'no digit at the beginning'],
  [['set', 'OK', '--from-env', 'NOT_THERE'], 'no variable NOT_THERE'],
  [['remove', 'NOBODY'], 'There is no secret "NOBODY"'],
])('refuses %j with a reason', async (args, says) => {
  const refused = await runTrainyard([
    'secrets',
    ...args.map((arg) => (arg === 'KEY' ? join(dir, 'key') : arg)),
    ...at,
  ]);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain(says);
});

function filesWith(top: string, text: string): string[] {
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
}
