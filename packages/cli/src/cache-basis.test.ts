import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDefinition } from '@trainyard/server/definition';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCacheBasis } from './cache-basis.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-cache-'));
  await put('data.csv', '1');
  await put('src/a.py', 'a');
  await put('src/deep/b.py', 'b');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function put(name: string, text: string): Promise<void> {
  await mkdir(join(dir, name, '..'), { recursive: true });
  await writeFile(join(dir, name), text);
}

function basisOf(cache: string) {
  const source = `name: p\nstages:\n  - name: outer\n    pipeline:\n      stages:\n        - { name: a, cache: ${cache}, job: { command: x } }\n`;
  const parsed = parseDefinition(source);
  if (!parsed.ok) throw new Error(parsed.faults[0]?.message);
  return readCacheBasis(parsed.definition, dir);
}

const git = (...args: string[]) =>
  execFileSync('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args]);

describe('what the command line finds out for cached stages', () => {
  it('is nothing where there are none', async () => {
    expect(await basisOf('false')).toBeUndefined();
  });

  it('is a hash per pattern, of names and contents', async () => {
    const cache = "{ inputs: [data.csv], code: [src, 'src/*.py'] }";
    const before = (await basisOf(cache))!.files!;
    expect(Object.keys(before)).toEqual(['data.csv', 'src', 'src/*.py']);
    await put('src/deep/b.py', 'other');
    const after = (await basisOf(cache))!.files!;
    expect(after['data.csv']).toBe(before['data.csv']);
    expect(after['src']).not.toBe(before['src']);
    expect(after['src/*.py']).toBe(before['src/*.py']);
    await put('src/new.py', '');
    expect((await basisOf(cache))!.files!['src/*.py']).not.toBe(before['src/*.py']);
  });

  it('reads the files of a used pipeline beside its file', async () => {
    const { checkedFile } = await import('./pipeline-file.ts');
    await put(
      'lib/part.yaml',
      'name: part\nstages:\n  - { name: a, cache: { code: [x.py] }, job: { command: x } }\n',
    );
    await put('lib/x.py', 'x');
    const source = 'name: p\nstages:\n  - { name: one, pipeline: { use: ./lib/part.yaml } }\n';
    const { definition } = await checkedFile(source, join(dir, 'p.yaml'));
    expect(Object.keys((await readCacheBasis(definition, dir))!.files!)).toEqual(['lib/x.py']);
  });

  it('refuses a pattern that stands for nothing, and names it', async () => {
    await expect(basisOf('{ inputs: [dta.csv], code: [] }')).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/stage "outer\/a" .*there is no file "dta.csv"/),
    });
  });

  it('is the commit, and what was changed or added since, but nothing that git ignores', async () => {
    expect((await basisOf('true'))?.code).toBeUndefined();
    git('init', '-q');
    await put('.gitignore', 'out/\n');
    git('add', '.');
    git('commit', '-q', '-m', 'first');
    const commit = git('rev-parse', 'HEAD').toString().trim();
    const code = async () => (await basisOf('true'))?.code;
    expect(await code()).toBe(commit);
    await put('out/model.bin', 'ignored');
    expect(await code()).toBe(commit);
    await put('src/new.py', 'x');
    const added = await code();
    expect(added).toMatch(new RegExp(`^${commit}\\+[0-9a-f]{32}$`));
    await put('src/new.py', 'y');
    expect(await code()).not.toBe(added);
    git('add', '.');
    git('commit', '-q', '-m', 'second');
    await put('src/a.py', 'changed');
    const changed = await code();
    expect(changed).toMatch(/\+/);
    await put('src/a.py', 'a');
    expect(await code()).toBe(git('rev-parse', 'HEAD').toString().trim());
  });
});
