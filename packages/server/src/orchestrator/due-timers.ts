import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';
import type { DueTimer } from './due-timer.ts';
import { FirstContact } from './first-contact.ts';
import { FACTS_PER_TICK } from './inbox.ts';
import { TimerHeap } from './timer-heap.ts';
import type { InboxRow } from './tree-work.ts';

/** Between two questions whether agents have been heard of. */
const ASK_EVERY_MS = 250;
/** Longer than the loop that takes timers ever sleeps: after that the server has stood still. */
const STANDSTILL_MS = 5000;

/**
 * The timers of all trees. Time limits of jobs wait, after the server was away, until the agents that hold attempts
 * of the tree have had the time to tell what has ended meanwhile: being late with a report is no fault of a job.
 */
export class DueTimers {
  readonly #heap = new TimerHeap<DueTimer>();
  readonly #contact: FirstContact;
  /** Due, and waiting for agents. */
  #held: DueTimer[] = [];
  #askAtMs = 0;
  #lookedAtMs: number | undefined;

  constructor(db: Kysely<Schema>) {
    this.#contact = new FirstContact(db);
  }

  get nextAtMs(): number | undefined {
    return this.#heap.nextAtMs;
  }

  add(timer: DueTimer): void {
    this.#heap.add(timer.atMs, timer);
  }

  /** This tree was in nobody's hands until now. */
  awaitAgentsOf(rootId: string): void {
    this.#contact.awaitAgentsOf(rootId);
    // What was armed for it before is armed again.
    this.#held = this.#held.filter((timer) => timer.rootId !== rootId);
  }

  /** To be called in each round of the loop: finds out whether the server stood still since the last one. */
  noteRound(nowMs: number, rootIds: Iterable<string>): void {
    const since = this.#lookedAtMs ?? nowMs;
    this.#lookedAtMs = nowMs;
    if (nowMs - since > STANDSTILL_MS) for (const rootId of rootIds) this.#contact.awaitAgentsOf(rootId);
  }

  /**
   * Takes what is due and does not have to wait for agents, and then reads facts: the other way round an attempt
   * could end between the two. Nothing is taken when the reading fails, or as long as more facts stand behind these.
   */
  async takeWithFacts(
    nowMs: number,
    read: (hasDue: boolean) => Promise<readonly InboxRow[]>,
  ): Promise<{ readonly timers: readonly DueTimer[]; readonly facts: readonly InboxRow[] }> {
    const due = await this.#takeDue(nowMs);
    let timers: readonly DueTimer[] = [];
    try {
      let facts = await read(due.length > 0);
      const held = this.heldTrees();
      if (facts.some(({ root_id }) => held.has(root_id))) {
        // What they tell may be what was waited for: then the limits come with them, each at its time.
        const released = await this.#takeReleased();
        due.push(...released);
        if (released.length > 0) facts = await read(true);
      }
      if (facts.length < FACTS_PER_TICK) timers = due;
      return { timers, facts };
    } finally {
      if (timers !== due) for (const timer of due) this.add(timer);
    }
  }

  /** Trees of which a time limit is due and waits for agents: what tells of an end may be what it waits for. */
  heldTrees(): ReadonlySet<string> {
    return new Set(this.#held.map(({ rootId }) => rootId));
  }

  async #takeDue(nowMs: number): Promise<DueTimer[]> {
    const due = this.#heap.takeDue(nowMs);
    this.#held.push(...due.filter(isTimeLimit));
    const others = due.filter((timer) => !isTimeLimit(timer));
    if (this.#held.length === 0) return others;
    if (
      performance.now() < this.#askAtMs &&
      this.#held.every(({ rootId }) => this.#contact.isAwaiting(rootId))
    )
      return others;
    try {
      return [...(await this.#takeReleased()), ...others];
    } catch (error) {
      for (const timer of others) this.add(timer);
      throw error;
    }
  }

  /** Time limits that do not have to wait any more. */
  async #takeReleased(): Promise<DueTimer[]> {
    const limits = this.#held;
    const waiting = await this.#contact.stillAwaited(new Set(limits.map(({ rootId }) => rootId)));
    this.#askAtMs = performance.now() + ASK_EVERY_MS;
    this.#held = limits.filter(({ rootId }) => waiting.has(rootId));
    return limits.filter(({ rootId }) => !waiting.has(rootId));
  }
}

function isTimeLimit({ kind }: DueTimer): boolean {
  return kind === 'timeout' || kind === 'deadline';
}
