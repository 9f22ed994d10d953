import type { Run } from '@trainyard/protocol';
import type { RunModel } from '../runs/run-model.ts';

/**
 * Rows of the stage table, depth first. Stages inside a closed group are left out. With a filter, closed
 * groups do not count: a stage is shown when its path or status has the text, with the groups above it.
 */
export function stageRows(model: RunModel, closed: ReadonlySet<string>, filter: string): Run[] {
  const all = model.order.flatMap((id) => (id === model.rootId ? [] : (model.runs.get(id) ?? [])));
  const text = filter.trim().toLowerCase();
  if (text === '') return all.filter((run) => !isHidden(run, model, closed));
  const wanted = new Set<string>();
  for (const run of all) {
    if (!run.path.toLowerCase().includes(text) && !run.status.includes(text)) continue;
    for (let at: Run | undefined = run; at !== undefined && !wanted.has(at.id); ) {
      wanted.add(at.id);
      at = at.parentId === null ? undefined : model.runs.get(at.parentId);
    }
  }
  return all.filter((run) => wanted.has(run.id));
}

function isHidden(run: Run, model: RunModel, closed: ReadonlySet<string>): boolean {
  if (closed.size === 0) return false;
  for (let id = run.parentId; id !== null; id = model.runs.get(id)?.parentId ?? null) {
    if (closed.has(id)) return true;
  }
  return false;
}
