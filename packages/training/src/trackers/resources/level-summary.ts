import type { Level } from '../../lifecycle/level.ts';
import { numbersOf, type Sample } from './sample.ts';

/** How busy the machine was during a level: mean and largest value of each quantity, of as many samples as there were. */
export interface SummaryOfLevel {
  readonly level: Level['kind'];
  readonly index: number;
  readonly seconds: number;
  readonly samples: number;
  readonly mean: Readonly<Record<string, number>>;
  readonly max: Readonly<Record<string, number>>;
}

export class LevelSummary {
  readonly #level: Level;
  readonly #sums = new Map<string, { sum: number; count: number; max: number }>();
  #samples = 0;

  constructor(level: Level) {
    this.#level = level;
  }

  add(sample: Sample): void {
    this.#samples += 1;
    for (const [name, value] of Object.entries(numbersOf(sample))) {
      const { sum, count, max } = this.#sums.get(name) ?? { sum: 0, count: 0, max: value };
      this.#sums.set(name, { sum: sum + value, count: count + 1, max: Math.max(max, value) });
    }
  }

  at(endedAtMs: number): SummaryOfLevel {
    const { kind, index, startedAtMs } = this.#level;
    const entries = [...this.#sums];
    return {
      ...{ level: kind, index, seconds: (endedAtMs - startedAtMs) / 1000, samples: this.#samples },
      mean: Object.fromEntries(
        entries.map(([name, { sum, count }]) => [name, Math.round((100 * sum) / count) / 100]),
      ),
      max: Object.fromEntries(entries.map(([name, { max }]) => [name, max])),
    };
  }
}
