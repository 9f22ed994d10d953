import { expect, it } from 'vitest';
import { diskSpaceHint } from './disk-space.ts';

it.runIf(process.platform === 'linux')('tells how little is free on a full disk', () => {
  // This file system has no space at all.
  const hint = diskSpaceHint('/proc');
  expect(hint).toContain(' Only 0 MB are free on the disk of /proc');
});

it('says nothing of a directory that does not exist', () => {
  expect(diskSpaceHint('/no/such/directory')).toBe('');
});
