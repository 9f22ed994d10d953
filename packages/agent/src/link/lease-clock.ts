import { uptime } from 'node:os';

let known: number | undefined;

/**
 * The clock by which leases are judged, in milliseconds since the machine was started. It goes on while the machine
 * is suspended, which the monotonic clock does not, and nobody can set it. It stands still within one turn of the
 * event loop: to ask the system takes several microseconds, and one answer may bring hundreds of attempts.
 */
export function leaseNowMs(): number {
  if (known === undefined) {
    known = uptime() * 1000;
    setImmediate(() => {
      known = undefined;
    });
  }
  return known;
}
