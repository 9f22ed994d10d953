import { applyFact } from './apply.ts';
import type { OwnedTree } from './owned-tree.ts';
import type { AttemptReport } from './report-desk.ts';
import type { TreeChanges } from './tree-changes.ts';

/** Takes a report in, if the tree stands where it begins. */
export function applyReport(changes: TreeChanges, report: AttemptReport, nowMs: number): boolean {
  if (!fits(changes.tree, report)) return false;
  changes.updates.push(report.update);
  for (const fact of report.facts) applyFact(changes, fact, nowMs);
  return true;
}

/** Then nothing that comes before it is missing or still on its way. */
function fits(tree: OwnedTree, { node, number, update }: AttemptReport): boolean {
  const run = tree.runs[node];
  if (run === undefined || run.attempt !== number || run.endedAt !== null) return false;
  return run.status === (update.expected_status === 'leased' ? 'starting' : 'running');
}
