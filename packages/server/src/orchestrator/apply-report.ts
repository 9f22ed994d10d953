import { applyFact } from './apply.ts';
import type { OwnedTree } from './owned-tree.ts';
import type { AttemptReport } from './report-desk.ts';
import type { TreeChanges } from './tree-changes.ts';

/** Takes a report in, if the tree stands where it begins, with the news of the claim if that still waits. */
export function applyReport(changes: TreeChanges, report: AttemptReport, nowMs: number): boolean {
  if (!fits(changes.tree, report)) return false;
  const { node, number, claim } = report;
  if (claim !== undefined && changes.tree.runs[node]!.status === 'queued') {
    const { factId, atMs, agentId } = claim;
    applyFact(changes, { kind: 'claimed', node, attempt: number, at: atMs, agent: agentId }, nowMs);
    changes.takenFacts.push(factId);
  }
  changes.updates.push(report.update);
  for (const fact of report.facts) applyFact(changes, fact, nowMs);
  return true;
}

/** Then nothing that comes before it is missing or still on its way, but the news of the claim that it brings. */
function fits(tree: OwnedTree, { node, number, claim, update }: AttemptReport): boolean {
  const run = tree.runs[node];
  if (run === undefined || run.attempt !== number || run.endedAt !== null) return false;
  if (update.expected_status !== 'leased') return run.status === 'running';
  return run.status === 'starting' || (run.status === 'queued' && claim !== undefined);
}
