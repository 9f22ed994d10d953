import type { AttemptUpdate } from '../attempts/attempt-update.ts';
import type { ToldClaim } from '../attempts/claim-parts.ts';
import type { Fact } from './facts.ts';

/** What an agent tells of an attempt, put so that the tree can take it in together with the row. */
export interface AttemptReport {
  readonly rootId: string;
  readonly node: number;
  /** Of the attempt. */
  readonly number: number;
  /** Set when the report is the first one: the tree may not have heard of the claim yet. */
  readonly claim: ToldClaim | undefined;
  /** Says what the row has to be like. */
  readonly update: AttemptUpdate;
  readonly facts: readonly Fact[];
}

export interface WaitingReport {
  readonly report: AttemptReport;
  readonly settle: (isTaken: boolean) => void;
}

/** Attempts whose reports one tick takes in: bounds the transaction. */
const REPORTS_PER_TICK = 1000;

/** Reports that wait for the next tick. */
export class ReportDesk {
  #waiting: WaitingReport[] = [];
  #isOpen = true;

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves when the report is committed, or to false when it has to go through the inbox. */
  add(report: AttemptReport): Promise<boolean> {
    if (!this.#isOpen) return Promise.resolve(false);
    return new Promise((settle) => this.#waiting.push({ report, settle }));
  }

  /**
   * The next reports in their order, of each attempt one: they may change its row only once. Those of the trees in
   * `byInbox` are answered with false.
   */
  take(byInbox: ReadonlySet<string>): WaitingReport[] {
    const taken = new Map<string, WaitingReport>();
    const left: WaitingReport[] = [];
    for (const waiting of this.#waiting) {
      const { rootId, update } = waiting.report;
      const { id } = update;
      if (byInbox.has(rootId)) waiting.settle(false);
      else if (taken.size < REPORTS_PER_TICK && !taken.has(id)) taken.set(id, waiting);
      else left.push(waiting);
    }
    this.#waiting = left;
    return [...taken.values()];
  }

  /** Nobody takes reports any more. */
  close(): void {
    this.#isOpen = false;
    for (const { settle } of this.#waiting.splice(0)) settle(false);
  }
}
