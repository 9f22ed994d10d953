import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ERRORS, VERSION } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageFile from '../package.json' with { type: 'json' };
import { command, temporaryDir } from './testing/command.ts';

let home: Awaited<ReturnType<typeof temporaryDir>>;
beforeAll(async () => {
  home = await temporaryDir();
});
afterAll(() => home.remove());

const run = (...args: string[]) => command(args, { TRAINYARD_HOME: join(home.dir, 'home') });

async function pipelineFile(name: string, ...lines: string[]): Promise<string> {
  const path = join(home.dir, name);
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

describe('the command line', () => {
  it('answers its version, which is that of all packages', async () => {
    expect(packageFile.version).toBe(VERSION);
    for (const args of [['--version'], ['-V'], ['version']]) {
      expect(await run(...args)).toMatchObject({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
    }
    for (const args of [
      ['version', '--json'],
      ['--version', '--json'],
      ['--json', '-V'],
    ]) {
      expect(JSON.parse((await run(...args)).stdout)).toEqual({ version: VERSION });
    }
  });

  it('shows help with examples', async () => {
    const { code, stdout } = await run('run', '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('--param <key=value>');
    expect(stdout).toContain('$ trainyard run pipeline.yaml');
  });

  it('suggests the command or option that was meant, with exit code 2', async () => {
    expect(await run('valdate', 'x')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: "error: unknown command 'valdate'\n(Did you mean validate?)\n",
    });
    expect((await run('run', 'x', '--parm', 'a=1')).stderr).toContain('(Did you mean --param?)');
    expect(await run('run')).toMatchObject({ code: 2, stderr: "error: missing required argument 'file'\n" });
    expect((await run('up', '--port', '70707')).stderr).toContain(
      'port must be a whole number from 0 to 65535',
    );
    expect((await run('run', 'x', '--param', 'a')).stderr).toContain('--param key=value');
    expect((await run('runs')).code).toBe(2);
  });

  it('writes errors as the error body of the API with --json', async () => {
    const { code, stdout, stderr } = await run('runs', 'list', '--url', 'http://127.0.0.1:1', '--json');
    expect(code).toBe(ERRORS.SERVER_UNREACHABLE.exitCode);
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'SERVER_UNREACHABLE', message: expect.stringContaining('http://127.0.0.1:1') },
    });
  });

  it('says with --json in an error which commands there are where one is missing', async () => {
    const missing = [
      { args: ['runs', '--json'], message: /^"trainyard runs" needs a command: list, .*show/ },
      { args: ['--json', 'datasets'], message: /^"trainyard datasets" needs a command: / },
      { args: ['--json'], message: /^"trainyard" needs a command: up, run, / },
    ];
    for (const { args, message } of missing) {
      const { code, stdout, stderr } = await run(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(JSON.parse(stderr).error).toMatchObject({
        code: 'USAGE',
        message: expect.stringMatching(message),
      });
    }
    // People get the help instead.
    expect((await run('runs')).stderr).toContain('Usage: trainyard runs');
    expect(JSON.parse((await run('runs', 'lst', '--json')).stderr).error.code).toBe('USAGE');
  });

  it('says of a dataset without rows that it has none', async () => {
    for (const name of ['none.csv', 'none.jsonl']) {
      const path = join(home.dir, name);
      await writeFile(path, '');
      expect(await run('datasets', 'preview', path)).toMatchObject({
        code: 0,
        stdout: `${path} is empty.\n`,
      });
    }
    const head = await pipelineFile('head.csv', 'a,b');
    expect((await run('datasets', 'preview', head)).stdout).toBe(
      `${head} has no rows, only columns: a, b.\n`,
    );
    expect(JSON.parse((await run('datasets', 'preview', head, '--json')).stdout).rows).toEqual([]);
  });

  it('does not detach from a server that would end with the command', async () => {
    const file = await pipelineFile('ok.yaml', 'name: x', 'stages: [{ name: a, job: { command: echo } }]');
    const { code, stderr } = await run('run', file, '--detach');
    expect(code).toBe(6);
    expect(stderr).toContain('trainyard up');
  });

  it('refuses a database that is not PostgreSQL, with exit code 2 and without its password', async () => {
    const { code, stdout, stderr } = await run('up', '--port', '0', '--database-url', 'mysql://me:pw@db/x');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('"mysql://"; it must be that of a PostgreSQL: postgres://… or postgresql://…');
    expect(stderr).not.toContain('pw');
  });

  it('prints completions', async () => {
    expect((await run('completion', 'zsh')).stdout).toContain('trainyard');
    expect((await run('complete', '--', 'runs', 'c')).stdout).toContain('cancel');
    expect((await run('completion', '--help')).stdout).toContain('$ source <(trainyard completion bash)');
    for (const args of [
      ['completion', 'bash', '--json'],
      ['--json', 'completion', 'bash'],
    ]) {
      const { code, stdout, stderr } = await run(...args);
      expect([code, stdout]).toEqual([2, '']);
      expect(JSON.parse(stderr)).toMatchObject({
        error: { code: 'USAGE', message: /leave --json out/.exec(stderr) && expect.any(String) },
      });
    }
  });
});

describe('validate', () => {
  it('prints the plan of a valid file', async () => {
    const file = await pipelineFile(
      'good.yaml',
      'name: good',
      'stages:',
      '  - { name: a, job: { command: x } }',
      '  - name: b',
      '    dependsOn: [a]',
      '    pipeline: { stages: [{ name: c, job: { command: x } }] }',
    );
    const { code, stdout } = await run('validate', file, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ name: 'good', stages: 3, depth: 2, layers: [['a'], ['b']] });
    const { stdout: text } = await run('validate', file);
    expect(text).toContain('good: 3 stages, 2 levels');
    expect(text).toContain('b (1 stage)');
  });

  it('prints every fault as file:line:column: message, with exit code 2', async () => {
    const file = await pipelineFile('bad.yaml', 'name: x', 'typo: 1', 'stages:', '  - { name: a }');
    const { code, stdout, stderr } = await run('validate', file);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.split('\n')).toEqual([
      expect.stringContaining(`${file}:2:1: unknown key "typo"`),
      expect.stringContaining(`${file}:4:5: a stage has exactly one of "job", "pipeline"`),
      '',
    ]);
    expect((await run('run', file)).stderr).toBe(stderr);
  });

  it('says of a binary file that it is no text, and prints no control characters', async () => {
    const path = join(home.dir, 'model.bin');
    await writeFile(path, Buffer.from([0x50, 0x4b, 3, 4, 0x1b, 0x5b, 0x33, 0x31, 0x6d, 0, 0xff, 0xfe]));
    const { code, stderr } = await run('validate', path);
    expect(code).toBe(2);
    expect(stderr).toBe(
      `${path}:1:3: this is no text: the character U+0003 is not allowed here; a pipeline file is YAML or JSON in UTF-8\n`,
    );
    const keys = await pipelineFile(
      'keys.yaml',
      'name: x',
      '"\\e[31m\\a": 1',
      'stages: [{ name: a, job: { command: x } }]',
    );
    const faults = (await run('validate', keys)).stderr;
    expect(faults).toContain('keys.yaml:2:1: unknown key "\\u001b[31m\\u0007"');
    const broken = await pipelineFile('broken.yaml', 'name: [\u0085', 'x: \u009b31m]: {');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be printed
    expect((await run('validate', broken)).stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  it('says which file is missing, with exit code 3', async () => {
    expect(await run('validate', join(home.dir, 'none.yaml'))).toMatchObject({
      code: 3,
      stderr: `error: There is no file ${join(home.dir, 'none.yaml')}.\n`,
    });
  });
});
