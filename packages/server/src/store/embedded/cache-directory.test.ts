import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheDirectory, draftPath } from './cache-directory.ts';

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

describe('draftPath', () => {
  it('removes old drafts of the same thing and nothing else', () => {
    const names = ['thing', 'thing.0123456789ab', 'thing.ba9876543210', 'other.0123456789ab'];
    for (const name of names) mkdirSync(join(home, name));
    const longAgo = new Date(Date.now() - 7_200_000);
    for (const name of names.slice(0, 2)) utimesSync(join(home, name), longAgo, longAgo);
    utimesSync(join(home, 'other.0123456789ab'), longAgo, longAgo);
    expect(draftPath(join(home, 'thing'))).toMatch(/thing\.[0-9a-f]{12}$/);
    expect(names.filter((name) => existsSync(join(home, name)))).toEqual([
      'thing',
      'thing.ba9876543210',
      'other.0123456789ab',
    ]);
  });
});
