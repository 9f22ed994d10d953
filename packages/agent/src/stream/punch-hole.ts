import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;

/**
 * Gives the disk space of a part of a file back, although a program goes on appending to it. Node has no
 * call for it; `fallocate` of util-linux does it on ext4, xfs, btrfs and tmpfs.
 * @throws when the program or the file system cannot do it
 */
export async function punchHole(path: string, offset: number, length: number): Promise<void> {
  const range = ['--offset', String(offset), '--length', String(length)];
  await run('fallocate', ['--punch-hole', ...range, path], { timeout: TIMEOUT_MS });
}
