import type { JsonValue, Run } from '@trainyard/protocol';
import { canonicalJson } from './canonical-json.ts';

type Identified = Pick<Run, 'id' | 'parentId' | 'name' | 'item'>;

/**
 * What stands for the same stage in two runs of one pipeline: the names on the way to it, and for an item of a
 * foreach its value instead of its number (with a count where values repeat).
 */
export function stageIdentities(runs: readonly Identified[]): ReadonlyMap<string, string> {
  const identities = new Map<string, string>();
  const counters = new Map<string | null, ItemCounter>();
  for (const run of runs) {
    // A parent comes before what is inside of it.
    const around = run.parentId === null ? '' : (identities.get(run.parentId) ?? '');
    let own = run.name;
    if (run.item !== null) {
      const counter = counters.get(run.parentId) ?? new ItemCounter();
      counters.set(run.parentId, counter);
      own = counter.next(run.item.value);
    }
    identities.set(run.id, run.parentId === null ? '' : joinIdentity(around, own));
  }
  return identities;
}

/** Line breaks are in no name and in no JSON text. */
export function joinIdentity(around: string, own: string): string {
  return `${around}\n${own}`;
}

/** Tells the items of one foreach apart, in their order. */
export class ItemCounter {
  readonly #seen = new Map<string, number>();

  next(value: JsonValue): string {
    const text = canonicalJson(value);
    const count = this.#seen.get(text) ?? 0;
    this.#seen.set(text, count + 1);
    return `[${count}]${text}`;
  }
}
