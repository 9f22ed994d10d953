import type { AttemptSpec } from '@trainyard/protocol';

/**
 * Attempts of one mapped stage that came together. Each comes to its start at a time of its own, or never: who
 * starts several as one waits for those that are still on their way, and for nobody else.
 */
export class StartGroup {
  /** The stage that is mapped, in its run. */
  readonly id: string;
  /** How many came together. */
  readonly size: number;
  readonly #awaited: Set<string>;
  #onSettled: (() => void)[] = [];

  constructor(id: string, attemptIds: readonly string[]) {
    this.id = id;
    this.size = attemptIds.length;
    this.#awaited = new Set(attemptIds);
  }

  /** Nobody is on the way any more. */
  get isSettled(): boolean {
    return this.#awaited.size === 0;
  }

  /** It has come to its start, or never will. Repeats do nothing. */
  settle(attemptId: string): void {
    if (!this.#awaited.delete(attemptId) || !this.isSettled) return;
    for (const tell of this.#onSettled.splice(0)) tell();
  }

  /** Its start has to be made once more, or is given up. */
  expectAgain(attemptId: string): void {
    this.#awaited.add(attemptId);
  }

  /** Calls `tell` once, when nobody is on the way any more, or at once. */
  whenSettled(tell: () => void): void {
    if (this.isSettled) tell();
    else this.#onSettled.push(tell);
  }
}

/** Groups of two and more, by attempt: items of one `foreach`, also of one that lies in another. */
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
  return new Map(
    groups.flatMap(([id, ids]) => {
      const group = new StartGroup(id, ids);
      return ids.map((each) => [each, group] as const);
    }),
  );
}
