import type { RowPatch } from './draft.ts';
import type { NodeStatus } from './node-status.ts';
import { nodeStatuses } from './node-status.ts';
import type { NodeSnapshot } from './state.ts';
import type { Tally } from './trigger-rule.ts';

/** What is empty for a node that just completes. */
type Details = Pick<
  NodeSnapshot,
  | 'lostCount'
  | 'retryAt'
  | 'stopReason'
  | 'reason'
  | 'conditionMet'
  | 'error'
  | 'upstream'
  | 'isHeld'
  | 'isParked'
  | 'isPaused'
  | 'pausedAt'
  | 'pausedMs'
  | 'releasedCount'
  | 'undeliveredCount'
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

/** Integers per node: its tally, then status, `STARTED` and attempt in one. */
const CELL = 2;
const STATUS_BITS = 15;
const STARTED = 16;
const ATTEMPT_SHIFT = 5;
const ONE_ATTEMPT = 1 << ATTEMPT_SHIFT;

/**
 * The rows and tallies of all nodes in 16 bytes each, changed in place. What the end of a dependency reads and
 * writes is in one place and small, because with a million nodes each place is a wait for memory.
 */
export class NodeColumns {
  #length: number;
  #cells: Int32Array;
  /** A start is only there for nodes with `STARTED`. */
  #starts: Float64Array;
  readonly #details = new Map<number, Details>();

  constructor(length: number) {
    this.#length = length;
    this.#cells = new Int32Array(length * CELL);
    this.#starts = new Float64Array(length);
  }

  get length(): number {
    return this.#length;
  }

  /** Adds nodes at the end that have not started. */
  grow(count: number): void {
    this.#length += count;
    const room = this.#starts.length;
    if (this.#length <= room) return;
    const newRoom = Math.max(this.#length, room * 2);
    const cells = new Int32Array(newRoom * CELL);
    cells.set(this.#cells);
    this.#cells = cells;
    const starts = new Float64Array(newRoom);
    starts.set(this.#starts);
    this.#starts = starts;
  }

  /** Throws RangeError for a node outside. */
  statusOf(index: number): NodeStatus {
    if (!(index >= 0 && index < this.#length)) {
      throw new RangeError(`index ${index} is outside 0..${this.#length - 1}`);
    }
    return statusNames[this.#cells[index * CELL + 1]! & STATUS_BITS]!;
  }

  setStatus(index: number, status: NodeStatus): void {
    const cell = index * CELL + 1;
    this.#cells[cell] = (this.#cells[cell]! & ~STATUS_BITS) | statusCodes[status];
  }

  attemptOf(index: number): number {
    return this.#cells[index * CELL + 1]! >> ATTEMPT_SHIFT;
  }

  hasStarted(index: number): boolean {
    return (this.#cells[index * CELL + 1]! & STARTED) !== 0;
  }

  startedAtOf(index: number): number | null {
    return this.hasStarted(index) ? this.#starts[index]! : null;
  }

  setStartedAt(index: number, at: number | null): void {
    const cell = index * CELL + 1;
    if (at === null) {
      this.#cells[cell]! &= ~STARTED;
    } else {
      this.#cells[cell]! |= STARTED;
      this.#starts[index] = at;
    }
  }

  tallyOf(index: number): Tally {
    return this.#cells[index * CELL]!;
  }

  setTally(index: number, tally: Tally): void {
    this.#cells[index * CELL] = tally;
  }

  hasDetails(index: number): boolean {
    return this.#details.size > 0 && this.#details.has(index);
  }

  isHeldOf(index: number): boolean {
    return this.#details.size > 0 && this.#details.get(index)?.isHeld === true;
  }

  patch(index: number, { status, attempt, startedAt, ...details }: RowPatch): void {
    if (status !== undefined) this.setStatus(index, status);
    if (attempt !== undefined) {
      const cell = index * CELL + 1;
      this.#cells[cell] = (this.#cells[cell]! & (ONE_ATTEMPT - 1)) + attempt * ONE_ATTEMPT;
    }
    if (startedAt !== undefined) this.setStartedAt(index, startedAt);
    this.#details.set(index, { ...(this.#details.get(index) ?? NO_DETAILS), ...details });
  }

  /** The next attempt; what the last one left behind is patched away by the caller. */
  handOut(index: number): void {
    const cell = index * CELL + 1;
    const rest = this.#cells[cell]! & ~(STATUS_BITS | STARTED);
    this.#cells[cell] = rest + ONE_ATTEMPT + statusCodes.active;
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
