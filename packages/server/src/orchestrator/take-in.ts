import { giveTurn } from '../definition/expression-work.ts';
import { applyFact, applyTimer } from './apply.ts';
import { applyReport } from './apply-report.ts';
import type { WaitingReport } from './report-desk.ts';
import type { TreeChanges } from './tree-changes.ts';
import { inOrderOfTime, type TreeWork } from './tree-work.ts';

/** Takes the work of a tick into its tree. Returns the reports that fitted; the others are answered as not taken. */
export async function takeIn(changes: TreeChanges, work: TreeWork, nowMs: number): Promise<WaitingReport[]> {
  const taken: WaitingReport[] = [];
  for (const step of inOrderOfTime(work)) {
    if ('timer' in step) applyTimer(changes, step.timer, nowMs);
    else if ('fact' in step) applyFact(changes, step.fact, nowMs);
    else if (applyReport(changes, step.waiting.report, nowMs)) taken.push(step.waiting);
    await giveTurn();
  }
  return taken;
}
