const BITS = 5;
const WIDTH = 1 << BITS;
const MASK = WIDTH - 1;

/**
 * An array whose old versions stay valid: a 32-way tree of which a change copies one path
 * (Bagwell and Rompf, "RRB-Trees", 2011, without the relaxed part). Reading costs O(log32 n); a batch of
 * changes through `edit` copies each touched tree node once.
 */
export class PersistentVector<T> {
  readonly length: number;
  readonly #root: TreeNode;
  readonly #shift: number;

  private constructor(length: number, root: TreeNode, shift: number) {
    this.length = length;
    this.#root = root;
    this.#shift = shift;
  }

  static from<T>(length: number, valueAt: (index: number) => T): PersistentVector<T> {
    let level: TreeNode[] = [];
    for (let start = 0; start < length; start += WIDTH) {
      const leaf: unknown[] = [];
      for (let index = start; index < Math.min(start + WIDTH, length); index++) leaf.push(valueAt(index));
      level.push(leaf);
    }
    let shift = 0;
    while (level.length > 1) {
      const above: TreeNode[] = [];
      for (let start = 0; start < level.length; start += WIDTH) above.push(level.slice(start, start + WIDTH));
      level = above;
      shift += BITS;
    }
    return new PersistentVector<T>(length, level[0] ?? [], shift);
  }

  get(index: number): T {
    return valueIn<T>(this.#root, this.#shift, this.length, index);
  }

  /** Collects changes without touching this vector. */
  edit(): VectorEdit<T> {
    return new VectorEdit(this.#root, this.#shift, this.length, (root, shift, length) =>
      root === this.#root && length === this.length ? this : new PersistentVector<T>(length, root, shift),
    );
  }
}

/** A mutable working copy; after `done` it must not be used any more. */
export class VectorEdit<T> {
  #root: TreeNode;
  #shift: number;
  #length: number;
  readonly #wrap: Wrap<T>;
  /** Tree nodes created by this edit: only these may be written in place. */
  readonly #owned = new Set<TreeNode>();

  constructor(root: TreeNode, shift: number, length: number, wrap: Wrap<T>) {
    this.#root = root;
    this.#shift = shift;
    this.#length = length;
    this.#wrap = wrap;
  }

  get(index: number): T {
    return valueIn<T>(this.#root, this.#shift, this.#length, index);
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a value at the end. */
  push(value: T): void {
    if (this.#length === WIDTH << this.#shift) {
      this.#root = [this.#root];
      this.#owned.add(this.#root);
      this.#shift += BITS;
    }
    this.#length += 1;
    this.set(this.#length - 1, value);
  }

  set(index: number, value: T): void {
    assertInside(index, this.#length);
    this.#root = this.#own(this.#root);
    let node = this.#root;
    for (let shift = this.#shift; shift > 0; shift -= BITS) {
      const slot = (index >>> shift) & MASK;
      const child = this.#own((node[slot] ?? []) as TreeNode);
      node[slot] = child;
      node = child;
    }
    node[index & MASK] = value;
  }

  done(): PersistentVector<T> {
    this.#owned.clear();
    return this.#wrap(this.#root, this.#shift, this.#length);
  }

  #own(node: TreeNode): TreeNode {
    if (this.#owned.has(node)) return node;
    const copy = node.slice();
    this.#owned.add(copy);
    return copy;
  }
}

type TreeNode = unknown[];
type Wrap<T> = (root: TreeNode, shift: number, length: number) => PersistentVector<T>;

function valueIn<T>(root: TreeNode, rootShift: number, length: number, index: number): T {
  assertInside(index, length);
  let node = root;
  for (let shift = rootShift; shift > 0; shift -= BITS) node = node[(index >>> shift) & MASK] as TreeNode;
  return node[index & MASK] as T;
}

function assertInside(index: number, length: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= length) {
    throw new RangeError(`index ${index} is outside 0..${length - 1}`);
  }
}
