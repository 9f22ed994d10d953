import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheDirectory } from './cache-directory.ts';

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'trainyard-cache-'));
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

describe('cacheDirectory', () => {
  it('is made for this user alone', () => {
    const directory = cacheDirectory({ XDG_CACHE_HOME: home });
    expect(directory).toBe(join(home, 'trainyard'));
    expect(statSync(join(home, 'trainyard')).mode & 0o777).toBe(0o700);
  });

  it('is not used when it is a link that somebody put there, or cannot be made', () => {
    mkdirSync(join(home, 'elsewhere'));
    symlinkSync(join(home, 'elsewhere'), join(home, 'trainyard'));
    expect(cacheDirectory({ XDG_CACHE_HOME: home })).toBeUndefined();
    writeFileSync(join(home, 'file'), '');
    expect(cacheDirectory({ XDG_CACHE_HOME: join(home, 'file') })).toBeUndefined();
  });
});

describe('keepCompiledCode', () => {
  const MODULE = new URL('cache-directory.ts', import.meta.url).pathname;
  const start = (): number | null => {
    const program = `import { keepCompiledCode } from ${JSON.stringify(MODULE)};
      keepCompiledCode();
      await import(${JSON.stringify(join(home, 'other.mjs'))});`;
    writeFileSync(join(home, 'other.mjs'), 'export const one = 1;');
    const env = { PATH: process.env['PATH'], XDG_CACHE_HOME: home };
    return spawnSync(process.execPath, ['--input-type=module', '-e', program], { env }).status;
  };

  it('leaves the code in the cache directory of the user', () => {
    expect(start()).toBe(0);
    expect(readdirSync(join(home, 'trainyard', 'compiled'))).not.toEqual([]);
  });

  it('does without where no safe directory is to be had', () => {
    mkdirSync(join(home, 'elsewhere'));
    symlinkSync(join(home, 'elsewhere'), join(home, 'trainyard'));
    expect(start()).toBe(0);
    expect(existsSync(join(home, 'elsewhere', 'compiled'))).toBe(false);
  });
});
