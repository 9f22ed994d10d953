import { statfsSync } from 'node:fs';

/** A new cluster takes 40 MB, and a running one may add a log segment of 16 MB at any time. */
const LITTLE_SPACE_BYTES = 64 * 1024 * 1024;

/**
 * A sentence to add to an error when little disk space is left, else an empty string. On a full disk
 * PostgreSQL cannot even write the reason of its failure into its log.
 */
export function diskSpaceHint(directory: string): string {
  try {
    const { bavail, bsize } = statfsSync(directory);
    const freeBytes = bavail * bsize;
    if (freeBytes >= LITTLE_SPACE_BYTES) return '';
    const free = Math.floor(freeBytes / 1024 / 1024);
    return ` Only ${free} MB are free on the disk of ${directory}: make room, then start again.`;
  } catch {
    return '';
  }
}
