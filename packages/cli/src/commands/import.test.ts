import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDefinition } from '@trainyard/server/definition';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { command, temporaryDir } from '../testing/command.ts';

const RECORDED = {
  name: 'two steps',
  schemaVersion: '1.5',
  workflow: {
    specification: {
      tasks: [
        { id: 'load data', parents: [], children: ['train'] },
        { id: 'train', parents: ['load data'], children: [] },
      ],
    },
    execution: {
      tasks: [
        {
          id: 'load data',
          runtimeInSeconds: 0.05,
          command: { program: 'echo', arguments: ['it is loaded'] },
        },
        { id: 'train', runtimeInSeconds: 0.1 },
      ],
    },
  },
};

let dir: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  ({ dir, remove } = await temporaryDir());
  await writeFile(join(dir, 'recorded.json'), JSON.stringify(RECORDED, null, 1));
});
afterAll(() => remove());

const wfformat = (...args: string[]) => command(['import', 'wfformat', ...args], {}, dir);

it('writes a pipeline file that is valid, and does not write over another one', async () => {
  const written = await wfformat('recorded.json', '--out', 'pipeline.yaml');
  expect(written).toMatchObject({ code: 0, stdout: '' });
  expect(written.stderr).toBe('pipeline.yaml: two_steps, 2 stages, 1 dependencies\n');
  const text = await readFile(join(dir, 'pipeline.yaml'), 'utf8');
  expect(text).toMatch(/^# Imported from recorded\.json \(WfFormat 1\.5\)/);
  const parsed = parseDefinition(text);
  expect(parsed).toMatchObject({
    ok: true,
    definition: {
      name: 'two_steps',
      stages: [
        {
          name: 'load_data',
          params: { task: 'load data', runtimeInSeconds: 0.05, command: 'echo it is loaded' },
        },
        { name: 'train', dependsOn: ['load_data'], job: { command: 'true' } },
      ],
    },
  });
  const again = await wfformat('recorded.json', '--out', 'pipeline.yaml');
  expect(again.code).toBe(2);
  expect(again.stderr).toMatch(/pipeline\.yaml exists already/);
  const forced = await wfformat('recorded.json', '--out', 'pipeline.yaml', '--force', '--json');
  expect(JSON.parse(forced.stdout)).toEqual({
    file: 'pipeline.yaml',
    name: 'two_steps',
    stages: 2,
    dependencies: 1,
  });
});

it('prints to stdout, as YAML or JSON, with the jobs asked for', async () => {
  const yaml = await wfformat('recorded.json', '--jobs', 'command', '--name', 'again', '--max-parallel', '2');
  expect(yaml).toMatchObject({ code: 0, stderr: '' });
  expect(yaml.stdout).toMatch(/^name: again$[\s\S]*^maxParallel: 2$[\s\S]*command: echo it is loaded$/m);
  const json = await wfformat('recorded.json', '--jobs', 'sleep', '--speedup', '2.5', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({
    stages: [{ job: { command: ['sleep', '0.02'] } }, { job: { command: ['sleep', '0.04'] } }],
  });
});

it('refuses what is no such workflow, with line and column, and writes nothing', async () => {
  const broken = JSON.stringify(RECORDED, null, 1).replace(
    '"parents": [\n      "load data"',
    '"parents": [\n      "x"',
  );
  await writeFile(join(dir, 'broken.json'), broken.replace('"1.5"', '"1.3"'));
  const result = await wfformat('broken.json', '--out', 'broken.yaml');
  expect(result.code).toBe(2);
  expect(result.stderr).toMatch(/^broken\.json:3:\d+: .*"schemaVersion" must be "1\.5".*found "1\.3"/m);
  expect(result.stderr).toMatch(/^broken\.json:\d+:\d+: .*"x"/m);
  await expect(readFile(join(dir, 'broken.yaml'))).rejects.toThrow('ENOENT');
  expect((await wfformat('no.json')).code).toBe(3);
  expect((await wfformat('recorded.json', '--jobs', 'dance')).code).toBe(2);
  expect((await wfformat('recorded.json', '--speedup', '0')).code).toBe(2);
});
