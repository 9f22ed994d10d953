import type { RowPatch } from './draft.ts';
import type { NodeStatus } from './node-status.ts';
import { nodeStatuses } from './node-status.ts';
import type { NodeSnapshot } from './state.ts';
import type { Tally } from './trigger-rule.ts';

/** What is empty for a node that just completes. */
type Details = Pick<
  NodeSnapshot,
  'lostCount' | 'retryAt' | 'stopReason' | 'reason' | 'conditionMet' | 'error' | 'upstream'
>;

const NO_DETAILS: Details = {
  lostCount: 0,
  retryAt: null,
  stopReason: null,
  reason: null,
  error: null,
  upstream: null,
};

const statusNames = Object.keys(nodeStatuses) as readonly NodeStatus[];
const statusCodes = Object.fromEntries(statusNames.map((name, code) => [name, code])) as Readonly<
  Record<NodeStatus, number>
>;

/** The rows and tallies of all nodes in 15 bytes each, changed in place. */
export class NodeColumns {
  #length: number;
  #statuses: Uint8Array;
  #attempts: Uint16Array;
  #tallies: Int32Array;
  /** NaN for null. */
  #startedAts: Float64Array;
  readonly #details = new Map<number, Details>();

  constructor(length: number) {
    this.#length = length;
    this.#statuses = new Uint8Array(length);
    this.#attempts = new Uint16Array(length);
    this.#tallies = new Int32Array(length);
    this.#startedAts = new Float64Array(length).fill(Number.NaN);
  }

  get length(): number {
    return this.#length;
  }

  /** Adds nodes at the end that have not started. */
  grow(count: number): void {
    this.#length += count;
    const room = this.#statuses.length;
    if (this.#length <= room) return;
    const longer = Math.max(this.#length, room * 2);
    this.#statuses = copied(this.#statuses, new Uint8Array(longer));
    this.#attempts = copied(this.#attempts, new Uint16Array(longer));
    this.#tallies = copied(this.#tallies, new Int32Array(longer));
    this.#startedAts = copied(this.#startedAts, new Float64Array(longer).fill(Number.NaN));
  }

  /** Throws RangeError for a node outside. */
  statusOf(index: number): NodeStatus {
    if (!(index >= 0 && index < this.#length)) {
      throw new RangeError(`index ${index} is outside 0..${this.#length - 1}`);
    }
    return statusNames[this.#statuses[index]!]!;
  }

  setStatus(index: number, status: NodeStatus): void {
    this.#statuses[index] = statusCodes[status];
  }

  attemptOf(index: number): number {
    return this.#attempts[index]!;
  }

  startedAtOf(index: number): number | null {
    const at = this.#startedAts[index]!;
    return Number.isNaN(at) ? null : at;
  }

  setStartedAt(index: number, at: number | null): void {
    this.#startedAts[index] = at ?? Number.NaN;
  }

  tallyOf(index: number): Tally {
    return this.#tallies[index]!;
  }

  setTally(index: number, tally: Tally): void {
    this.#tallies[index] = tally;
  }

  hasDetails(index: number): boolean {
    return this.#details.size > 0 && this.#details.has(index);
  }

  patch(index: number, { status, attempt, startedAt, ...details }: RowPatch): void {
    if (status !== undefined) this.setStatus(index, status);
    if (attempt !== undefined) this.#attempts[index] = attempt;
    if (startedAt !== undefined) this.setStartedAt(index, startedAt);
    this.#details.set(index, { ...(this.#details.get(index) ?? NO_DETAILS), ...details });
  }

  /** The next attempt; what the last one left behind is patched away by the caller. */
  handOut(index: number): void {
    this.setStatus(index, 'active');
    this.#attempts[index]! += 1;
    this.#startedAts[index] = Number.NaN;
  }

  row(index: number): NodeSnapshot {
    return {
      ...(this.#details.get(index) ?? NO_DETAILS),
      node: index,
      status: this.statusOf(index),
      attempt: this.attemptOf(index),
      startedAt: this.startedAtOf(index),
    };
  }
}

function copied<T extends Uint8Array | Uint16Array | Int32Array | Float64Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
