import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { draftPath } from './draft-path.ts';

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'trainyard-cache-'));
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
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
