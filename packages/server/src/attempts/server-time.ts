import type { ParsedReport } from './attempt-update.ts';

/** What a request may have been on its way without its clock being called wrong. */
const MAX_TRANSIT_MS = 5000;

/**
 * Reports with their times on the server's clock. The clock of an agent may be wrong by any amount; how much, the
 * time at which it sent the request tells. A delay of the way is taken for nothing.
 */
export function inServerTime(
  reports: readonly ParsedReport[],
  clock: { readonly sentAt: number | undefined; readonly nowMs: number },
): ParsedReport[] {
  const skewMs = clock.sentAt === undefined ? 0 : clock.nowMs - clock.sentAt;
  const shiftMs = Math.abs(skewMs) > MAX_TRANSIT_MS ? skewMs : 0;
  return reports.map((report) =>
    'at' in report ? { ...report, at: Math.max(0, Math.min(report.at + shiftMs, clock.nowMs)) } : report,
  );
}
