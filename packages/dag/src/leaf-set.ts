/**
 * Leaves in the order of the definition: memory is so read from its front to its end where, as people and programs
 * do, what comes first is named first. A bit per node, and above each level of bits one that tells which words below
 * are not empty.
 */
export class LeafSet {
  readonly #levels: readonly Int32Array[];
  #length = 0;

  /** For leaves with numbers below `size`. */
  constructor(size: number) {
    const levels: Int32Array[] = [];
    let words = size;
    do {
      words = (words + WORD - 1) >> WORD_SHIFT;
      levels.push(new Int32Array(words));
    } while (words > 1);
    this.#levels = levels;
  }

  get length(): number {
    return this.#length;
  }

  /** It must not be in here already. */
  add(leaf: number): void {
    this.#length += 1;
    let at = leaf;
    for (let level = 0; level < this.#levels.length; level++) {
      const words = this.#levels[level]!;
      const before = words[at >> WORD_SHIFT]!;
      // Shifts count modulo 32.
      words[at >> WORD_SHIFT] = before | (1 << at);
      if (before !== 0) return;
      at >>= WORD_SHIFT;
    }
  }

  /** The one with the lowest number; -1 when it is empty. */
  take(): number {
    if (this.#length === 0) return -1;
    let leaf = 0;
    for (let level = this.#levels.length - 1; level >= 0; level--) {
      leaf = (leaf << WORD_SHIFT) + lowestBit(this.#levels[level]![leaf]!);
    }
    this.#remove(leaf);
    return leaf;
  }

  #remove(leaf: number): void {
    this.#length -= 1;
    let at = leaf;
    for (let level = 0; level < this.#levels.length; level++) {
      const words = this.#levels[level]!;
      const rest = words[at >> WORD_SHIFT]! & ~(1 << at);
      words[at >> WORD_SHIFT] = rest;
      if (rest !== 0) return;
      at >>= WORD_SHIFT;
    }
  }
}

const WORD = 32;
const WORD_SHIFT = 5;

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
