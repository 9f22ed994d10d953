import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { command, type RunningCommand, startCommand, temporaryDir } from '../testing/command.ts';

const SOURCE = `name: greet
params:
  who: { type: string, default: world }
stages:
  - { name: hello, job: { command: 'echo "hello \${{ params.who }} from $(cat place.txt)"' } }
`;

let dir: string;
let remove: () => Promise<void>;
let server: RunningCommand;

beforeAll(async () => {
  ({ dir, remove } = await temporaryDir());
  await writeFile(join(dir, 'greet.yaml'), SOURCE);
  await writeFile(join(dir, 'place.txt'), 'here');
  server = startCommand(['up', '--port', '0', '--slots', '2', '--data-dir', join(dir, 'data')]);
  await server.until('stdout', /^ready /m);
});
afterAll(async () => {
  server.process.kill('SIGTERM');
  await server.ended;
  await remove();
});

const pipelines = (...args: string[]) =>
  command(['--data-dir', join(dir, 'data'), 'pipelines', ...args], {}, dir);
const json = (text: string) => JSON.parse(text) as never;

it('registers a file, shows it and runs it in its directory', async () => {
  const registered = await pipelines('register', 'greet.yaml', '--note', 'first');
  expect(registered).toMatchObject({ code: 0, stdout: 'greet@1\n' });
  const again = await pipelines('register', 'greet.yaml', '--json');
  expect(json(again.stdout)).toMatchObject({ name: 'greet', version: 1, note: 'first', isNew: false });
  expect((await pipelines('show', 'greet@1', '--source')).stdout).toBe(SOURCE);
  expect(JSON.parse((await pipelines('show', 'greet@1', '--source', '--json')).stdout)).toEqual({
    name: 'greet',
    version: 1,
    source: SOURCE,
  });
  expect((await pipelines('show', 'greet')).stdout).toMatch(
    /greet@1 [\s\S]*who +string +"world"[\s\S]*stages: hello/,
  );
  expect((await pipelines('list')).stdout).toMatch(/greet +1 /);
  const rendered = json((await pipelines('render', 'greet', '--param', 'who=sun', '--json')).stdout);
  expect(rendered).toMatchObject({ version: 1, params: { who: 'sun' }, source: SOURCE });
  const run = await pipelines('run', 'greet', '--param', 'who=moon', '--json');
  expect(run.code).toBe(0);
  const document = json(run.stdout) as { id: string };
  expect(document).toMatchObject({ status: 'completed', pipeline: { name: 'greet', version: 1 } });
  const logs = await command(['--data-dir', join(dir, 'data'), 'runs', 'logs', document.id]);
  expect(logs.stdout).toContain('hello moon from here');
  const listed = await command([
    '--data-dir',
    join(dir, 'data'),
    'runs',
    'list',
    '--pipeline',
    'greet',
    '--json',
  ]);
  expect(json(listed.stdout)).toMatchObject([{ id: document.id }]);
});

it('compares a version with another one and with a file', async () => {
  await writeFile(join(dir, 'greet.yaml'), SOURCE.replace('world', 'sun'));
  const withFile = await pipelines('diff', 'greet@1', 'greet.yaml');
  expect(withFile.stdout).toContain('~ params.who.default: "world" -> "sun"');
  expect((await pipelines('register', 'greet.yaml', '--expect', '0')).code).toBe(1);
  expect((await pipelines('register', 'greet.yaml', '--expect', '1')).stdout).toBe('greet@2\n');
  const diff = json((await pipelines('diff', 'greet@1', 'greet@latest', '--json')).stdout);
  expect(diff).toMatchObject({ isSame: false, pipeline: [{ key: 'params.who.default' }] });
  expect((await pipelines('versions', 'greet')).stdout).toMatch(/^2 [\s\S]*^1 .*first$/m);
});

it('says what is wrong with a file, a name or a version', async () => {
  await writeFile(join(dir, 'bad.yaml'), 'name: bad\nstages: []\n');
  const bad = await pipelines('register', 'bad.yaml');
  expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('bad.yaml:2:9')]);
  expect((await pipelines('show', 'nothing')).code).toBe(3);
  expect((await pipelines('run', 'greet@9', '--detach')).code).toBe(3);
  expect((await pipelines('show', 'greet@x')).code).toBe(2);
  expect((await pipelines('run', 'greet', '--param', 'whom=x')).code).toBe(2);
});

it('runs a file that uses templates, registered pipelines and files, each in its own directory', async () => {
  await mkdir(join(dir, 'parts/deep'), { recursive: true });
  await writeFile(join(dir, 'parts/place.txt'), 'parts');
  await writeFile(join(dir, 'parts/deep/place.txt'), 'deep');
  await writeFile(
    join(dir, 'parts/a.yaml'),
    SOURCE.replace('stages:', 'stages:\n  - { name: in, pipeline: { use: ./deep/b.yaml } }'),
  );
  await writeFile(join(dir, 'parts/deep/b.yaml'), SOURCE);
  const file = `name: all
templates:
  twice: { params: { word: { type: string } }, stages: [{ name: s, job: { command: 'echo \${{ params.word }} in $(cat place.txt)' } }] }
stages:
  - { name: own, pipeline: { use: twice, params: { word: mine } } }
  - { name: registered, pipeline: { use: greet@1, params: { who: you } } }
  - { name: file, pipeline: { use: ./parts/a.yaml } }
`;
  await writeFile(join(dir, 'all.yaml'), file);
  const at = ['--data-dir', join(dir, 'data')];
  const validated = await command([...at, 'validate', 'all.yaml'], {}, dir);
  expect(validated).toMatchObject({ code: 0, stdout: expect.stringMatching(/^all: 8 stages, 3 levels/) });
  const alone = await command(['--data-dir', join(dir, 'none'), 'validate', 'all.yaml'], {}, dir);
  expect(alone).toMatchObject({ code: 0, stdout: expect.stringMatching(/^all: at least 8 stages/) });
  expect(alone.stderr).toContain('No server answered, so these pipelines could not be checked: greet@1');
  const run = await command([...at, 'run', 'all.yaml', '--json'], {}, dir);
  expect(run.code).toBe(0);
  const { id } = json(run.stdout) as { id: string };
  const { stdout } = await command([...at, 'runs', 'logs', id]);
  for (const line of [
    'mine in here',
    'hello you from here',
    'hello world from parts',
    'hello world from deep',
  ]) {
    expect(stdout).toContain(line);
  }
  await writeFile(
    join(dir, 'all.yaml'),
    file.replace('greet@1, params: { who: you }', 'greet@1, params: { whom: you }'),
  );
  const wrong = await command([...at, 'run', 'all.yaml'], {}, dir);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('all.yaml:6:')]);
  const refused = await command([...at, 'validate', 'all.yaml'], {}, dir);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('greet@1 has no param "whom"')]);
});

it('archives a pipeline, and deletes one that nothing uses', async () => {
  expect((await pipelines('archive', 'greet', '--delete')).code).toBe(1);
  expect((await pipelines('archive', 'greet')).stdout).toBe('greet archived\n');
  expect((await pipelines('run', 'greet', '--detach')).code).toBe(1);
  expect((await pipelines('list', '--json')).stdout).toBe('[]\n');
  await writeFile(join(dir, 'once.yaml'), SOURCE.replace('greet', 'once'));
  await pipelines('register', 'once.yaml');
  expect((await pipelines('archive', 'once', '--delete')).stdout).toBe('once deleted\n');
});
