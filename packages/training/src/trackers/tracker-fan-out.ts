import type { Level, LevelEnd } from '../lifecycle/level.ts';
import type { MetricRecord, Tracker } from './tracker.ts';
import { type QueueLimits, TrackerQueue } from './tracker-queue.ts';

/** Hands everything that is recorded to all trackers. None of its methods waits or throws, but `close`. */
export class TrackerFanOut {
  readonly #queues: readonly TrackerQueue[];

  constructor(trackers: readonly Tracker[], warn: (message: string) => void, limits?: QueueLimits) {
    this.#queues = trackers.map((tracker) => new TrackerQueue(tracker, warn, limits));
  }

  start(level: Level): void {
    this.#call((tracker) => tracker.onStart?.(level));
  }

  logParams(params: Readonly<Record<string, unknown>>): void {
    const copy = structuredClone(params);
    this.#call((tracker) => tracker.logParams?.(copy));
  }

  track(records: readonly MetricRecord[]): void {
    if (records.length > 0) for (const queue of this.#queues) queue.track(records);
  }

  end(level: Level, end: LevelEnd): void {
    this.#call((tracker) => tracker.onEnd?.(level, end));
  }

  /** Waits for each tracker to have taken in what it was told, at most for the time of `QueueLimits.closeMs`. */
  async close(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close()));
  }

  #call(make: (tracker: Tracker) => unknown): void {
    for (const queue of this.#queues) queue.call(make);
  }
}
