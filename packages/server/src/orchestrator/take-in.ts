import { giveTurn } from '../definition/expression-work.ts';
import { applyFact, applyTimer } from './apply.ts';
import { applyReport } from './apply-report.ts';
import type { WaitingReport } from './report-desk.ts';
import type { TreeChanges } from './tree-changes.ts';
import type { TreeWork } from './tree-work.ts';

/** Takes the work of a tick into its tree. Returns the reports that fitted; the others are answered as not taken. */
export async function takeIn(
  changes: TreeChanges,
  { timers, facts, reports }: TreeWork,
  nowMs: number,
): Promise<WaitingReport[]> {
  const taken: WaitingReport[] = [];
  for (const timer of timers) {
    applyTimer(changes, timer, nowMs);
    await giveTurn();
  }
  for (const { event } of facts) {
    applyFact(changes, event, nowMs);
    await giveTurn();
  }
  for (const waiting of reports) {
    if (applyReport(changes, waiting.report, nowMs)) taken.push(waiting);
    await giveTurn();
  }
  return taken;
}
