import { readFileSync } from 'node:fs';

/**
 * How many processes the kernel of this machine has ended for lack of memory since it started (`oom_kill` in
 * /proc/vmstat, since Linux 4.13). `undefined` where nobody counts.
 */
export function kernelOomKills(): number | undefined {
  try {
    const counted = /^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'));
    return counted === null ? undefined : Number(counted[1]);
  } catch {
    return undefined;
  }
}
