import type { PlacesByName } from './numbered-names.ts';

/**
 * From names to their places in a list. A `Map` does the same, but making one of a million names takes longer
 * than running as many nodes. Open addressing over FNV-1a hashes of the UTF-16 units, half of it empty; where
 * hashes are bad, by chance or by intent, a `Map` takes over.
 */
export class NameIndex implements PlacesByName {
  readonly #names: readonly string[];
  readonly #mask: number;
  /** Pairs of a hash and one more than a place; 0 for an empty pair. */
  readonly #table: Int32Array;
  #map: Map<string, number> | null = null;
  /** How many steps may be made beyond those of good hashes. */
  #spareSteps = 10_000;

  #hasRepeats = false;

  constructor(names: readonly string[]) {
    this.#names = names;
    const size = 1 << (33 - Math.clz32(names.length));
    this.#mask = size - 1;
    this.#table = new Int32Array(size * 2);
    // The first of two equal names is kept.
    for (let place = 0; place < names.length && this.#map === null; place++) this.#add(place);
  }

  get hasRepeats(): boolean {
    return this.#hasRepeats;
  }

  keys(): Iterable<string> {
    return new Set(this.#names);
  }

  get(name: string): number | undefined {
    if (this.#map !== null) return this.#map.get(name);
    const found = this.#table[2 * this.#slotOf(name, hashOf(name)) + 1]!;
    return found === 0 ? undefined : found - 1;
  }

  #add(place: number): void {
    const name = this.#names[place]!;
    const hash = hashOf(name);
    const slot = 2 * this.#slotOf(name, hash);
    if (this.#table[slot + 1] !== 0) {
      this.#hasRepeats = true;
      return;
    }
    this.#table[slot] = hash;
    this.#table[slot + 1] = place + 1;
  }

  /** Where the name is, or would be put. */
  #slotOf(name: string, hash: number): number {
    const table = this.#table;
    let slot = hash & this.#mask;
    let steps = 0;
    for (let found = table[2 * slot + 1]!; found !== 0; found = table[2 * slot + 1]!) {
      if (table[2 * slot] === hash && this.#names[found - 1] === name) break;
      slot = (slot + 1) & this.#mask;
      steps += 1;
    }
    this.#spareSteps += GOOD_STEPS - steps;
    if (this.#spareSteps < 0) this.#useMap();
    return slot;
  }

  #useMap(): void {
    const map = new Map<string, number>();
    this.#names.forEach((name, place) => {
      if (!map.has(name)) map.set(name, place);
    });
    this.#map = map;
    this.#hasRepeats = map.size < this.#names.length;
  }
}

/** Half full and with good hashes it is 0.5 on average. */
const GOOD_STEPS = 4;

function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  // Low bits decide where a name is put.
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
}
