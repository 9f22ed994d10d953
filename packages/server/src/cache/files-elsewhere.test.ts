import { describe, expect, it } from 'vitest';
import { filesElsewhere } from './files-elsewhere.ts';

const on = (executor: string, workingDir: string, dir?: string) => ({
  executor,
  workingDir,
  ...(dir === undefined ? {} : { remote: { dir } }),
});

describe('the files of a cached stage on another machine', () => {
  it.each([
    ['data/*.csv', '.', '/home/anna/p'],
    ['.', '', '/home/anna/p'],
    ['code/train.py', 'code', '.'],
    ['code', 'code', '/home/anna/p'],
    ['/home/anna/p/code/x', 'code', '/home/anna/p'],
    ['../lib/x.py', '..', '/home/anna/p'],
  ])('are known when %s is in the folder %s that is sent', (pattern, workingDir, baseDir) => {
    expect(filesElsewhere(on('ssh', workingDir), [pattern], baseDir)).toBeUndefined();
    expect(filesElsewhere(on('slurm:big', workingDir), [pattern], baseDir)).toBeUndefined();
  });

  it.each([
    ['/data/train.csv', '.', '/home/anna/p'],
    ['data/in.csv', 'code', '.'],
    ['codes/x', 'code', '/home/anna/p'],
    ['../x', '.', '/home/anna/p'],
    ['code/*/../../x', 'code', '/home/anna/p'],
  ])('are not known when %s is not in the folder %s that is sent', (pattern, workingDir, baseDir) => {
    expect(filesElsewhere(on('ssh:box', workingDir), ['code', pattern].slice(1), baseDir)).toContain(
      `"${pattern}" is not in the folder`,
    );
    expect(filesElsewhere(on('local', workingDir), [pattern], baseDir)).toBeUndefined();
  });

  it('are not known in a directory that is over there', () => {
    expect(filesElsewhere(on('ssh', '.', '/srv/code'), [], '.')).toBe(
      'its files are in /srv/code on another machine',
    );
  });
});
