/** First come, first served, in a ring that grows when it is full. */
export class LeafQueue {
  #ring = new Int32Array(16);
  #head = 0;
  #length = 0;

  add(node: number): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length++) & (this.#ring.length - 1)] = node;
  }

  get length(): number {
    return this.#length;
  }

  /** -1 when it is empty. */
  take(): number {
    if (this.#length === 0) return -1;
    const node = this.#ring[this.#head]!;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length -= 1;
    return node;
  }

  #grow(): void {
    const ring = new Int32Array(this.#ring.length * 2);
    const front = this.#ring.subarray(this.#head);
    ring.set(front);
    ring.set(this.#ring.subarray(0, this.#head), front.length);
    this.#ring = ring;
    this.#head = 0;
  }
}
