import type { AttemptSpec } from '@trainyard/protocol';

/** Attempts of one mapped stage that came together. */
export interface StartGroup {
  /** The stage that is mapped, in its run. */
  readonly id: string;
  /** How many came together; some of them may never come to their start. */
  readonly size: number;
}

/** Groups of two and more, by attempt: items of one `foreach`, also of one that lies in another. Pure. */
export function startGroups(specs: readonly AttemptSpec[]): ReadonlyMap<string, StartGroup> {
  const members = new Map<string, string[]>();
  for (const { attemptId, rootId, stage } of specs) {
    // Without its items the path names the stage that all of them are of.
    const mapped = stage.replaceAll(/\[\d+\]/g, '[]');
    if (mapped === stage) continue;
    const id = `${rootId}/${mapped}`;
    members.set(id, [...(members.get(id) ?? []), attemptId]);
  }
  const groups = [...members].filter(([, ids]) => ids.length > 1);
  return new Map(groups.flatMap(([id, ids]) => ids.map((each) => [each, { id, size: ids.length }] as const)));
}
