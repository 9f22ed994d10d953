import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('holds the pages of docs/reference equal to the tables of packages/protocol and packages/dag', () => {
  const root = join(import.meta.dirname, '..');
  const check = spawnSync(process.execPath, [join(root, 'scripts/generate-reference.mjs'), '--check'], {
    encoding: 'utf8',
  });
  expect(check.stderr).toBe('');
  expect(check.status).toBe(0);
});
