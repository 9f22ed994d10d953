import { uptime } from 'node:os';

/**
 * The clock by which leases are judged, in milliseconds since the machine was started. It goes on while the machine
 * is suspended, which the monotonic clock does not, and nobody can set it.
 */
export function leaseNowMs(): number {
  return uptime() * 1000;
}
