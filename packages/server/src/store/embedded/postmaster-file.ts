import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a postmaster wrote about itself into `postmaster.pid`. It may be long dead, and the pid reused. */
export interface PostmasterFile {
  readonly pid: number;
  readonly port: number;
  readonly socketDirectory: string;
  /** True once connections are accepted. */
  readonly ready: boolean;
}

/**
 * Reads `postmaster.pid` (PostgreSQL's `miscinit.h` lists its lines: pid, data directory, start time, port,
 * socket directory, listen address, shared memory key, status). Undefined when there is none, or when it is
 * just being written.
 */
export function readPostmasterFile(clusterDirectory: string): PostmasterFile | undefined {
  let text: string;
  try {
    text = readFileSync(join(clusterDirectory, 'postmaster.pid'), 'utf8');
  } catch {
    return undefined;
  }
  const lines = text.split('\n');
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10));
  if (!Number.isSafeInteger(pid) || pid === 0) return undefined;
  return {
    pid,
    port: Number.parseInt(lines[3] ?? '', 10) || 0,
    socketDirectory: lines[4] ?? '',
    ready: lines[7]?.trim() === 'ready',
  };
}
