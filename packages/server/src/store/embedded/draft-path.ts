import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Making a draft takes seconds. */
const STALE_DRAFT_MS = 3_600_000;

/**
 * A new name beside `target`, under which something is made that then gets its own name in one step. Drafts
 * of processes that were killed meanwhile are removed.
 */
export function draftPath(target: string): string {
  const directory = dirname(target);
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(`${basename(target)}.`)) continue;
    const path = join(directory, name);
    const changedAt = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - changedAt > STALE_DRAFT_MS) rmSync(path, { recursive: true, force: true });
  }
  return `${target}.${randomBytes(6).toString('hex')}`;
}
